"""The name of the device, as its maker calls it."""

from gasearch_workers.measure.device import device_name, parse_cpuinfo


def test_the_device_is_named_by_its_cpu_model():
    assert parse_cpuinfo("processor\t: 0\nmodel name\t: Fast CPU @ 3 GHz\nmodel\t\t: 85\n") == "Fast CPU @ 3 GHz"
    assert parse_cpuinfo("processor\t: 0\nBogoMIPS\t: 108\n\nModel\t\t: Raspberry Pi 4 Model B\n") == (
        "Raspberry Pi 4 Model B"
    )
    assert parse_cpuinfo("processor\t: 0\nBogoMIPS\t: 50.00\n") == ""
    assert device_name()
