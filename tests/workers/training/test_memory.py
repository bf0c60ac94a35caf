"""The memory that a training takes at least."""

from gasearch_workers.messages import Blueprint, Layer
from gasearch_workers.network.plan import plan
from gasearch_workers.training.memory import scoring_bytes, training_bytes


def steps_of(*widths):
    layers = tuple(Layer(kind="linear", width=width, weight_bits=8, activation_bits=8) for width in widths)
    return plan(Blueprint(family="mlp", input_shape=(64,), layers=layers))


def test_a_training_holds_weights_four_times_and_activations_twice():
    # weights 64 x 100 + 100 x 10; activations 64 + 100 + 10, at batch size 32; 4 bytes each
    assert training_bytes(steps_of(100, 10), batch_size=32) >= 4 * (4 * (6400 + 1000) + 2 * 32 * (64 + 100 + 10))


def test_scoring_holds_every_output_of_as_many_samples_and_two_more_of_the_largest():
    steps = steps_of(100, 10)
    weights, values = 6400 + 1000, 64 + 100 + 10
    assert scoring_bytes(steps, samples=256) == 4 * (3 * weights + 256 * (values + 2 * 100))


def test_memory_grows_with_the_square_of_the_width_and_with_the_batch():
    wide, narrow = (training_bytes(steps_of(width, width, 10), batch_size=2) for width in (8192, 1024))
    assert 40 < wide / narrow < 64
    assert training_bytes(steps_of(8, 10), batch_size=65_536) > 1000 * training_bytes(steps_of(8, 10), batch_size=8)


def test_a_sequence_s_memory_grows_with_the_square_of_its_length():
    def needed(tokens):
        layers = (
            Layer(kind="embedding", width=8),
            Layer(kind="transformer", width=8, heads=4),
            Layer(kind="linear", width=2),
        )
        blueprint = Blueprint(family="transformer", input_shape=(tokens,), layers=layers, categories=(10,))
        return training_bytes(plan(blueprint), batch_size=8)

    assert needed(512) >= 4 * 2 * 8 * 4 * 512**2
    assert 3 < needed(1024) / needed(512) < 4.1


def test_a_table_of_vectors_counts_with_all_its_rows():
    layers = (Layer(kind="embedding", width=32), Layer(kind="linear", width=1))
    blueprint = Blueprint(family="recommender", input_shape=(2,), layers=layers, categories=(100_000, 50_000))
    assert training_bytes(plan(blueprint), batch_size=2) >= 4 * 4 * 150_000 * 32
