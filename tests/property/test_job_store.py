import json
import tempfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from bridge.jobs.model import ENDED, Job, JobSpec, Options, spec_from_json, spec_to_json
from bridge.jobs.store import JobStore
from bridge.names import PARTS, RECORDINGS

#: Names as the systems have them, lone surrogates included, but no NUL.
names = st.text(st.characters(exclude_characters="\0"), min_size=1, max_size=30)
paths = names.map(lambda name: "/" + name)
fractions = st.floats(0.0, 1.0)
ranges = st.tuples(st.floats(0.0, 100.0), st.none() | st.floats(101.0, 200.0))
options = st.builds(
    Options,
    recording=st.sampled_from(["song", *RECORDINGS]),
    parts=st.lists(st.sampled_from(PARTS), min_size=1, unique=True).map(tuple),
    bpm=st.none() | st.floats(20.0, 400.0),
    range_s=st.none() | ranges,
    quantize=st.none() | st.integers(1, 128).map(lambda grid: f"1/{grid}"),
    strength=fractions,
    swing=fractions,
    transpose=st.integers(-48, 48),
    fresh=st.booleans(),
)
folder_names = names.map(lambda name: name.replace("/", "-").replace("\\", "-").replace(":", "-"))
specs = st.builds(
    JobSpec, paths, paths, folder_names.filter(lambda name: name not in (".", "..")) | st.just(""), options
)


@given(specs)
def test_a_spec_survives_its_json_which_is_ascii(spec: JobSpec) -> None:
    text = spec_to_json(spec)
    assert text.isascii()
    assert spec_from_json(text) == spec


json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(specs, st.sampled_from([*JobSpec.__struct_fields__, *Options.__struct_fields__, "other"]), json_values)
def test_a_spec_with_anything_in_a_field_is_valid_or_a_value_error(spec: JobSpec, field: str, value: object) -> None:
    table = msgspec.to_builtins(spec)
    (table.setdefault("options", {}) if field in Options.__struct_fields__ else table)[field] = value
    try:
        made = spec_from_json(json.dumps(table))
    except ValueError:
        return
    assert field != "other"
    assert spec_from_json(spec_to_json(made)) == made


class StoreAgainstDict(RuleBasedStateMachine):
    """The store does what a dict would in which ended jobs can't be changed; closing and opening changes nothing."""

    ids = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "jobs.sqlite3"
        self.store = JobStore(self.path, clock=lambda: 0.0)
        self.kept: dict[str, Job] = {}

    @rule(target=ids, job_id=st.sampled_from("abcd"), spec=specs)
    def add(self, job_id: str, spec: JobSpec) -> str:
        job = Job(job_id, "watch", 20, spec)
        assert self.store.add(job) == self.kept.setdefault(job_id, job)
        return job_id

    @rule(
        job_id=ids,
        state=st.sampled_from(["queued", "running", *sorted(ENDED)]),
        text=names,
        result=st.none() | paths,
        stage=fractions,
    )
    def save(self, job_id: str, state: str, text: str, result: str | None, stage: float) -> None:
        before = self.kept[job_id]
        after = msgspec.structs.replace(
            before,
            state=state,
            result=result,
            error_text=text,
            fraction=stage,
            ended_s=1.0 if state in ENDED else None,
        )
        assert self.store.save(after) is not before.ended
        if not before.ended:
            self.kept[job_id] = after

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = JobStore(self.path, clock=lambda: 0.0)

    @invariant()
    def same(self) -> None:
        assert list(reversed(self.store.recent(10))) == list(self.kept.values())
        assert self.store.unfinished() == [job for job in self.kept.values() if not job.ended]
        assert self.store.problems == []

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()


TestStoreAgainstDict = pytest.mark.timeout(120)(StoreAgainstDict.TestCase)
TestStoreAgainstDict.settings = hypothesis_settings(max_examples=15, stateful_step_count=15, deadline=None)
