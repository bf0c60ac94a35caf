"""Where an evaluation failed: the frames of an exception, without those of what calls the evaluator."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Final

LONGEST: Final = 2**14  #: Characters of a traceback that are kept.
_HEAD: Final = 2**12  #: Of these, from its beginning: the end says most.
_PACKAGE: Final = Path(__file__).parents[1]
#: What stands between the process and the user's function; a training of ours is shown with all of its frames.
_PLACES: Final = ("evaluation/custom.py", "evaluation/metric_values.py", "results.py", "sandbox/")
_CALLERS: Final = tuple(str(_PACKAGE / place) for place in _PLACES)
_IMPORT: Final = ("<frozen importlib", str(Path(traceback.__file__).parent / "importlib/"))


def traceback_of(error: BaseException) -> str:
    """An exception as Python prints it, causes included, from the evaluator's first frame to its last.

    Empty where all that is known is in its message: it was raised by what checks the evaluator, not by the evaluator.
    """
    try:
        found: traceback.TracebackException | None = traceback.TracebackException.from_exception(error)
        while found is not None and not _keep_evaluator_frames(found):
            found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)
        return "" if found is None else shortened("".join(found.format()))
    except Exception:  # it is made of the user's objects, and memory may be short
        return ""


def shortened(text: str) -> str:
    """At most `LONGEST` characters of a traceback; what is left out of its middle is counted."""
    text = text.strip("\n")
    if len(text) <= LONGEST:
        return text
    left_out = f"\n  [{len(text) - LONGEST:,} characters left out]\n"
    return text[:_HEAD] + left_out + text[_HEAD - LONGEST :]


def _keep_evaluator_frames(found: traceback.TracebackException) -> bool:
    """Drop the frames above and below the evaluator's, also of its causes; whether any is left."""
    ahead, seen = [found], set[int]()
    while ahead:
        one = ahead.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        frames = list(one.stack)
        while frames and frames[0].filename.startswith((*_CALLERS, *_IMPORT)):
            del frames[0]
        while frames and frames[-1].filename.startswith(_CALLERS):
            del frames[-1]
        one.stack = traceback.StackSummary.from_list(frames)
        ahead += [cause for cause in (one.__cause__, one.__context__, *(one.exceptions or ())) if cause is not None]
    return bool(found.stack)
