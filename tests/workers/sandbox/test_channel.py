"""Messages between a host and its trial: whole ones come through, and nothing else does."""

import socket
import threading

import pytest
from gasearch_workers.messages import Prepared
from gasearch_workers.sandbox.channel import ChannelError, Closed, Imported, Ready, Said, TooLarge, frame, receive
from gasearch_workers.sandbox.codec import CodecError

MESSAGE = frame(Ready(device="cpu"))


@pytest.fixture
def ends():
    """The host's end, which waits 0.2 s for the rest of a message, and the trial's."""
    host, trial = socket.socketpair()
    host.settimeout(0.2)
    yield host, trial
    host.close()
    trial.close()


def test_two_messages_that_come_at_once_are_taken_one_by_one(ends):
    host, trial = ends
    trial.sendall(MESSAGE + frame(Imported(problem="none")))
    assert receive(host, Said) == Ready(device="cpu")
    assert receive(host, Said) == Imported(problem="none")


def test_a_large_message_comes_whole_with_its_bytes(ends):
    host, trial = ends
    sent = Prepared(graph=bytes(range(256)) * 10_000, input_shape=(1, 8, 8), input_dtype="uint8")
    sender = threading.Thread(target=trial.sendall, args=[frame(sent)])
    sender.start()
    assert receive(host, Prepared) == sent
    sender.join()


@pytest.mark.parametrize(
    ("sent", "complaint"),
    [
        (b"garbage" * 100, "b'garbagegarbage"),
        (MESSAGE[:5], "half a message, and then no more"),
        (MESSAGE[:-3], "half a message, and then no more"),
    ],
)
def test_what_is_no_whole_message_is_refused_with_what_came(ends, sent, complaint):
    host, trial = ends
    trial.sendall(sent)
    with pytest.raises(ChannelError) as refused:
        receive(host, Said)
    assert complaint in str(refused.value)


@pytest.mark.parametrize(("text", "attachment", "largest"), [(10, 0, (9, 9)), (1, 20, (9, 9))])
def test_a_message_beyond_what_is_taken_is_refused_before_it_is_read(ends, text, attachment, largest):
    host, trial = ends
    trial.sendall(b"gasearch" + text.to_bytes(4) + attachment.to_bytes(8))
    with pytest.raises(TooLarge, match=r"it takes [12]0 bytes; at most 9 are taken"):
        receive(host, Said, largest=largest)


def test_a_message_of_another_type_is_refused(ends):
    host, trial = ends
    trial.sendall(frame(Prepared(graph=b"", input_shape=(), input_dtype="uint8")))
    with pytest.raises(CodecError, match=r"got \{'is': 'Prepared'"):
        receive(host, Said)


def test_the_end_of_the_channel_is_told_from_half_a_message(ends):
    host, trial = ends
    trial.sendall(MESSAGE[:-3])
    trial.close()
    with pytest.raises(Closed, match="the channel is closed"):
        receive(host, Said)


def test_an_answer_that_would_be_too_large_is_not_made():
    with pytest.raises(TooLarge, match="its answer takes 29 bytes; at most 10 are taken"):
        frame(Ready(device="cpu"), largest_text=10)
