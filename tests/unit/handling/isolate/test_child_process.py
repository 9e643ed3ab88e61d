"""The environment that a child process is started with."""

from worker.handling.isolate.child_process import environment


def test_of_the_environment_only_what_is_known_to_be_no_secret_goes_along() -> None:
    given = {
        "PATH": "/bin",
        "LC_ALL": "C",
        "https_proxy": "http://proxy:3128",
        "HTTP_PROXY": "http://user:password@proxy:3128",
        "NHSMAIL_ACCOUNT__PASSWORD": "x",
        "PGPASSWORD": "x",
        "PATHOLOGY_TOKEN": "x",
    }
    assert environment(given) == {"PATH": "/bin", "LC_ALL": "C", "https_proxy": "http://proxy:3128"}
