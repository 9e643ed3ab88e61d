"""The rules of the house: how large files are, what they are called, and that nobody reaches into another's object.

Imports between rooms are import-linter's to check (pyproject.toml). An exception is named here, with its reason.
"""

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[3]
WORKER, HANDLERS = ([*sorted((ROOT / room).rglob("*.py"))] for room in ("worker", "handlers"))
TESTS = sorted((ROOT / "tests" / "unit").rglob("test_*.py"))

LARGEST = 350  # lines
LARGE = {
    "worker/logs/events.py": "the catalogue of events",
    "worker/login/endpoint_errors.py": "the table of the token endpoint's errors",
    "handlers/database.py": "a built-in handler is one file, and a fifth of this one is two tables of columns",
    "handlers/webhook.py": "a built-in handler is one file, and a third of this one is its table of settings",
}
SPINE = 100  # lines

ASSIGNED = {
    ("worker/cli/stdout.py", "sys"): "standard streams are replaced by assignment",
    ("worker/handling/isolate/child.py", "sys"): "standard streams are replaced by assignment",
    ("worker/logs/log.py", "sys"): "the interpreter's hooks are set by assignment",
    ("worker/logs/log.py", "threading"): "as above",
    ("worker/logs/log.py", "warnings"): "as above",
    ("worker/logs/log.py", "logging"): "the module has no other switch",
    ("worker/mailbox/imap_client.py", "self.wire"): "a Wire: the client's other half",
    ("worker/message/mime/htmltext.py", "element"): "lxml changes a tree by assignment",
    ("worker/message/mime/mailboxes.py", "word"): "a _Word, of the same file",
    ("worker/message/mime/node.py", "payload"): "a Node, as self is",
    ("worker/message/mime/tnef.py", "body"): "a TnefFile, of the same file",
    ("worker/message/mime/whole.py", "mailparser.utils"): "a slow function of the library is replaced",
}
PRIVATES = {
    ("worker/handling/isolate/child.py", "os._exit"): "documented, in spite of its name",
    ("worker/logs/log.py", "sys._getframe"): "documented, in spite of its name",
    ("worker/message/literals.py", "sys._getframe"): "as above",
    ("worker/logs/redaction.py", "other._text"): "of the same class, in __eq__",
    ("worker/mailbox/imap_client.py", "wire._command"): "as IMAPClient's own fetch does",
    ("worker/mailbox/imap_client.py", "wire._command_complete"): "as above",
    ("worker/mailbox/imap_client.py", "wire._untagged_response"): "as above",
    ("worker/message/mime/headers.py", "other._items"): "of the same class, in __eq__",
}
CLOCKS = {"clock", "monotonic", "now"}
CALLABLES = {
    ("AttemptMutex", "sleep"): "a clock's other half",
    ("Attachment", "load"): "its bytes, decoded when they are asked for",
    ("Attachment", "unwrap"): "factory: a message of the attached bytes",
    ("Condition", "holds"): "the condition itself",
    ("Connector", "new_session"): "factory",
    ("File", "load"): "as Attachment's",
    ("Handler", "call"): "other people's code",
    ("Handler", "close"): "other people's code",
    ("Handler", "flush"): "other people's code",
    ("Relay", "connect"): "factory",
    ("Runner", "handler"): "other people's code",
    ("Senders", "listed"): "a test on a sender, built from the settings' patterns",
    ("Row", "applies"): "a test on the way to log in, an entry of a table",
    ("_Rule", "read"): "an entry of a table: the reader of one header",
    ("Watcher", "wake"): "wakes the schedule, from any thread",
    ("_Words", "text"): "an entry of a table: a sentence with a number in it",
}


Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


def shown(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def lines_of(file: Path) -> int:
    return len(file.read_text().splitlines())


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def names_in(node: ast.AST | None) -> set[str]:
    return {found.id for found in ast.walk(node) if isinstance(found, ast.Name)} if node is not None else set()


def parameters(function: Function) -> list[ast.arg]:
    return [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]


def none_of(findings: Iterable[str], rule: str) -> None:
    found = sorted(set(findings))
    assert not found, "\n".join([rule, *found])


def exactly(known: Iterable[object], found: Iterable[object]) -> None:
    gone = set(known) - set(found)
    assert not gone, f"no longer there: take it off the list: {gone}"


def test_a_file_is_read_at_one_sitting() -> None:
    large = {shown(file): lines_of(file) for file in [*WORKER, *HANDLERS] if lines_of(file) > LARGEST}
    none_of((f"{file}: {size}" for file, size in large.items() if file not in LARGE), f"over {LARGEST} lines: split it")
    exactly(LARGE, large)


def test_the_spine_is_short() -> None:
    spine = ROOT / "worker" / "pipeline" / "pipeline.py"
    assert lines_of(spine) < SPINE, f"{shown(spine)}: {SPINE} lines or more: what a stage does belongs in that stage"


def test_no_two_files_share_a_name() -> None:
    homes: dict[str, list[str]] = {}
    for file in WORKER:
        if not file.name.startswith("__"):
            homes.setdefault(file.name, []).append(shown(file))
    shared = {name: files for name, files in homes.items() if len(files) > 1}
    none_of(
        (
            ", ".join(files)
            for name, files in shared.items()
            if files != [f"worker/cli/{name}", f"worker/commands/{name}"]  # a command group
        ),
        "files of one name: rename all but one",
    )


def bears_a_name(test: Path) -> bool:
    """Whether a file or a folder is there that the test is named after."""
    room = test.relative_to(ROOT / "tests" / "unit").parent
    home = ROOT / room if room.parts[:1] == ("handlers",) else ROOT / "worker" / room
    names = [found.stem for found in home.glob("[!_]*") if found.is_dir() or found.suffix == ".py"]
    topic = test.stem.removeprefix("test_")
    return any(topic == name or topic.startswith(f"{name}_") for name in names)


def test_a_test_bears_the_name_of_what_it_tests() -> None:
    others = (shown(test) for test in TESTS if test.parent.name != "project" and not bears_a_name(test))
    none_of(others, "its room in worker/ has no such file: call it test_FILE.py or test_FILE_TOPIC.py")


def test_no_private_name_is_imported() -> None:
    none_of(
        (
            f"{shown(file)}: {name.name} of {node.module}"
            for file in [*WORKER, *HANDLERS]
            for node in ast.walk(parsed(file))
            if isinstance(node, ast.ImportFrom)
            for name in node.names
            if is_private(name.name)
        ),
        "a private name of another file: make it public there, or move it here",
    )


def built_in(node: ast.AST) -> set[str]:
    """The names to which the result of a call is assigned."""
    made = (found for found in ast.walk(node) if isinstance(found, ast.Assign) and isinstance(found.value, ast.Call))
    return {target.id for found in made for target in found.targets if isinstance(target, ast.Name)}


def functions(node: ast.AST) -> Iterator[Function]:
    """Functions and methods. One within another belongs to that."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function):
            yield child
        else:
            yield from functions(child)


def assigned(file: Path) -> Iterator[tuple[str, str]]:
    """The object and the whole target of each assignment to an attribute of another object.

    The function that builds an object may assign, and so may the file of its class.
    """
    top = parsed(file).body
    built_here = {name for node in top if isinstance(node, ast.Assign) for name in built_in(node)}
    classes = {node.name for node in top if isinstance(node, ast.ClassDef)}
    for function in functions(parsed(file)):
        of_this_file = {given.arg for given in parameters(function) if names_in(given.annotation) & classes}
        ours = {"self", "cls"} | built_here | built_in(function) | of_this_file
        for node in ast.walk(function):
            if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
                owner = ast.unparse(node.value)
                if owner not in ours:
                    yield owner, ast.unparse(node)


def test_nobody_is_finished_by_assignment() -> None:
    found = {(shown(file), owner): target for file in WORKER for owner, target in assigned(file)}
    none_of(
        (f"{file}: {target}" for (file, owner), target in found.items() if (file, owner) not in ASSIGNED),
        "assigned from outside: give the class a method that says what happens, or pass it when the object is built",
    )
    exactly(ASSIGNED, found)


def test_nobody_reaches_into_another_s_privates() -> None:
    found = {
        (shown(file), ast.unparse(node))
        for file in WORKER
        for node in ast.walk(parsed(file))
        if isinstance(node, ast.Attribute) and is_private(node.attr)
        if ast.unparse(node.value) not in {"self", "cls", "super()"}
    }
    none_of(
        (": ".join(reach) for reach in found if reach not in PRIVATES),
        "another object's private attribute: ask by a public method",
    )
    exactly(PRIVATES, found)


def fields_of(node: ast.ClassDef) -> Iterator[tuple[str, ast.expr | None]]:
    """Name and type of what the constructor takes."""
    if any(
        "dataclass" in ast.unparse(word) or "NamedTuple" in ast.unparse(word)
        for word in (*node.decorator_list, *node.bases)
    ):
        yield from (
            (ast.unparse(field.target), field.annotation) for field in node.body if isinstance(field, ast.AnnAssign)
        )
    for function in node.body:
        if isinstance(function, ast.FunctionDef) and function.name == "__init__":
            yield from ((given.arg, given.annotation) for given in parameters(function))


def test_constructors_take_objects() -> None:
    nodes = [node for file in WORKER for node in ast.walk(parsed(file))]
    aliases = {
        name
        for node in nodes
        if isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("Callable[")
        for target in node.targets
        for name in names_in(target)
    }
    found = {
        (node.name, name)
        for node in nodes
        if isinstance(node, ast.ClassDef)
        for name, annotation in fields_of(node)
        if names_in(annotation) & {"Callable", *aliases} and name not in CLOCKS
    }
    none_of(
        (f"{owner}({name}=…)" for owner, name in found if (owner, name) not in CALLABLES),
        "a callable: pass an object (a Protocol says which), or a clock by one of its names",
    )
    exactly(CALLABLES, found)
