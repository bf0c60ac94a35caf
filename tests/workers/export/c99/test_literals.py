"""Constants as C reads them back."""

import numpy as np
from gasearch_workers.export.c99.literals import array, real, store, structure


def test_floats_are_read_back_exactly():
    values = np.random.default_rng(0).normal(size=200).astype(np.float32) * np.float32(10) ** np.arange(-20, 20, 0.2)
    for value in values.astype(np.float32):
        text = real(float(value))
        assert text.endswith("f")
        assert np.float32(text[:-1]) == value


def test_arrays_say_their_length_and_keep_lines_short():
    text = array("uint8_t", "x", map(str, range(200)))
    assert text.startswith("static const uint8_t x[200] = {\n    0, 1,")
    assert text.endswith("198, 199\n};\n")
    assert max(map(len, text.splitlines())) <= 118
    assert structure("point", "y", ["1", "2"]) == "static const struct point y = {\n    1, 2\n};\n"


def test_eight_bits_are_bytes_as_they_are():
    stored = store(np.array([[-128, 127, 5]], np.int8), 8)
    assert stored.are_bytes
    assert stored.data == bytes([128, 127, 5])


def test_few_bits_are_packed_the_highest_first():
    stored = store(np.array([-2, 1, 0, -1], np.int8), 2)
    assert not stored.are_bytes
    assert stored.data == bytes([0b00_11_10_01])
    assert store(np.array([-1, 1, 1, -1], np.int8), 1).data == bytes([0b0110_0000])


def test_weights_of_which_many_are_pruned_are_a_bitmap_and_the_rest():
    weight = np.zeros(64, np.int8)
    weight[[3, 60]] = 5, -8
    stored = store(weight, 4)
    assert stored.kept == np.packbits(weight != 0).tobytes()
    assert stored.data == bytes([0b1101_0000])
    assert store(weight, 4, is_table=True).kept == b""


def test_pruned_binary_weights_always_have_a_bitmap():
    assert store(np.array([1, -1, 0, 1, 1, 1, 1, 1], np.int8), 1).kept == bytes([0b1101_1111])
