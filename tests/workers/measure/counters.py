"""Energy counters as Linux shows them."""

RANGE_UJ = 262_143_328_850


def write_zone(powercap, zone, name, energy_uj=1_000):
    folder = powercap / zone
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "name").write_text(f"{name}\n")
    (folder / "energy_uj").write_text(f"{energy_uj}\n")
    (folder / "max_energy_range_uj").write_text(f"{RANGE_UJ}\n")
    return folder / "energy_uj"
