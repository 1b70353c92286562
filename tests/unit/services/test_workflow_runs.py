from services.workflow_runs import WorkflowRun, WorkflowRuns


def run_of(environment: str = "development", size: int = 10) -> WorkflowRun:
    return WorkflowRun(environment, {"workflow": "w", "data": {"x": "y" * size}}, "request-1")


def test_a_run_is_found_in_its_own_environment_only() -> None:
    runs = WorkflowRuns()
    runs.keep("1", run_of())
    assert runs.run("1", "development") == run_of()
    assert runs.run("1", "production") is None
    assert runs.run("2", "development") is None


def test_the_oldest_runs_give_way_to_a_bound_on_their_number() -> None:
    runs = WorkflowRuns(runs_max=2)
    for name in "123":
        runs.keep(name, run_of())
    assert [runs.run(name, "development") is not None for name in "123"] == [False, True, True]


def test_the_oldest_runs_give_way_to_a_bound_on_their_size() -> None:
    runs = WorkflowRuns(bytes_max=3_000)
    for name in "123":
        runs.keep(name, run_of(size=1_000))
    assert [runs.run(name, "development") is not None for name in "123"] == [False, True, True]
    runs.keep("3", run_of(size=1_000))
    assert runs.run("2", "development") is not None, "keeping a run again counted it twice"
    runs.keep("huge", run_of(size=10_000))
    assert runs.run("huge", "development") is None
