"""Runs a foreign SCIM client and a foreign compliance suite against a live server.

    SCIM_FOREIGN_URL=http://127.0.0.1:8080/scim/v2 SCIM_FOREIGN_TOKEN=... python run.py

Three parts, each check one line: what scim2-client does over httpx2, what the `scim` command line
does, and every check of scim2-tester. Exit status 1 when one of them failed, or when the suite ran
fewer checks than it used to.
"""

import datetime
import json
import os
import pathlib
import random
import subprocess
import sys
import traceback
import uuid

import httpx2
from pydantic import BaseModel
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_models import (
    BulkOperation,
    BulkRequest,
    Error,
    PatchOp,
    PatchOperation,
    ResponseParameters,
    SearchRequest,
)
from scim2_tester import Status, check_server, filling, utils

URL = os.environ["SCIM_FOREIGN_URL"]
TOKEN = os.environ["SCIM_FOREIGN_TOKEN"]

# What the suite ran when this file was written; it depends on the schemas that the server
# publishes, so it may grow. Fewer checks mean that some were silently skipped.
FEWEST_SUITE_CHECKS = 250

failures = []
passed = 0


def teach_the_tester_dates():
    """Make the tester fill dateTime attributes with dates.

    It fills every attribute that is neither a number, a boolean, a reference nor binary with a random UUID. The schemas
    that it is usually run against have no writable dateTime; OnPremises has one, and a UUID there is refused by the
    tester's own model before anything is sent.
    """
    original = filling.generate_random_value

    def generate(context, path, mutability=None, required=None):
        binding = path.resolve()
        if binding is not None and binding.target_type is datetime.datetime:
            if mutability is not None and binding.get_annotation(filling.Mutability) not in mutability:
                return None
            if required is not None and binding.get_annotation(filling.Required) not in required:
                return None
            return datetime.datetime(2026, 1, random.randrange(1, 29), tzinfo=datetime.timezone.utc)
        return original(context, path, mutability=mutability, required=required)

    for name, module in list(sys.modules.items()):
        if name.startswith("scim2_tester") and getattr(module, "generate_random_value", None) is original:
            module.generate_random_value = generate


def teach_the_tester_read_only():
    """Make the tester leave out of comparisons what only the server writes.

    It sends no readOnly sub-attributes, and then expects exactly what it sent to come back: a server that shows the
    `display` of a member, as RFC 7643 section 8.4 does, would fail.
    """
    original = utils.fields_equality

    def writable(value):
        if isinstance(value, list):
            return [writable(item) for item in value]
        if isinstance(value, BaseModel):
            names = type(value).model_fields
            read_only = {
                name for name in names if value.get_field_annotation(name, filling.Mutability) == filling.Mutability.read_only
            }
            return value.model_dump(exclude=read_only)
        return value

    def equal(expected, actual):
        return original(writable(expected), writable(actual))

    for name, module in list(sys.modules.items()):
        if name.startswith("scim2_tester") and getattr(module, "fields_equality", None) is original:
            module.fields_equality = equal


def report(part, name, problem=None):
    """Prints one line and keeps count."""
    global passed
    if problem is None:
        passed += 1
        print(f"ok    {part}: {name}")
    else:
        failures.append(f"{part}: {name}")
        print(f"FAIL  {part}: {name}\n      {problem}")


def check(part, name, action):
    """Runs one check; an exception of any kind is its failure."""
    try:
        result = action()
    except Exception as error:
        notes = "; ".join(getattr(error, "__notes__", []))
        source = getattr(error, "source", None)
        answer = getattr(source, "text", source)
        trace = traceback.format_exc().strip().splitlines()[-4:]
        report(part, name, f"{error!r} {notes}\n      answer: {answer}\n      " + "\n      ".join(trace))
        return None
    report(part, name)
    return result


def equal(found, wanted, what):
    if found != wanted:
        raise AssertionError(f"{what} is {found!r}, not {wanted!r}")


def open_client():
    return SyncSCIMClient(
        httpx2.Client(
            base_url=URL,
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=30,
        )
    )


def unique(name):
    return f"{name}.{uuid.uuid4().hex[:12]}@example.org"


# --- scim2-client ---------------------------------------------------------------------------


def client_part():
    part = "scim2-client"
    scim = open_client()
    if check(part, "discovers schemas, resource types and configuration", lambda: discover(scim)) is None:
        return
    User = scim.get_resource_model("User")
    Group = scim.get_resource_model("Group")
    name = unique("Ada")

    ada = check(part, "creates a user", lambda: create_user(scim, User, name))
    if ada is None:
        return
    check(part, "reads it back", lambda: equal(scim.query(User, ada.id).user_name, name, "userName"))
    check(part, "is refused a second user of that name", lambda: refuse_duplicate(scim, User, name))
    check(part, "is refused an unknown id with 404", lambda: refuse_unknown(scim, User))
    check(part, "asks for one attribute and gets it", lambda: project(scim, User, ada))
    check(part, "finds it by filter", lambda: find(scim, User, name))
    check(part, "finds it by filter in other letter case", lambda: find(scim, User, name.upper()))
    check(part, "finds it by POST .search", lambda: search(scim, User, name))
    check(part, "is refused a broken filter", lambda: refuse_filter(scim))
    check(part, "pages through users", lambda: page(scim, User))
    check(part, "replaces the user", lambda: replace(scim, User, ada))
    check(part, "patches the user", lambda: patch_user(scim, User, ada))
    check(part, "patches one e-mail by value path", lambda: patch_email(scim, User, ada))

    group = check(part, "creates a group with the user", lambda: create_group(scim, Group, ada))
    if group is not None:
        check(part, "sees the group in user.groups", lambda: see_group(scim, User, ada, group))
        check(part, "removes the member by value path", lambda: remove_member(scim, Group, ada, group))
        check(part, "deletes the group", lambda: scim.delete(Group, group.id))
    check(part, "sends a bulk with a bulkId reference", lambda: bulk(scim, User, Group))
    check(part, "deletes the user, and it is gone", lambda: delete(scim, User, ada))


def discover(scim):
    scim.discover()
    for wanted in ("User", "Group"):
        if scim.get_resource_model(wanted) is None:
            raise AssertionError(f"no resource type {wanted} discovered")
    return scim


def create_user(scim, User, name):
    user = User(
        user_name=name,
        name=User.Name(given_name="Ada", family_name="Lovelace"),
        emails=[User.Emails(value=name, type="work", primary=True)],
        active=True,
    )
    created = scim.create(user)
    equal(created.user_name, name, "userName")
    equal(created.meta.resource_type, "User", "meta.resourceType")
    if not created.meta.location.endswith(f"/Users/{created.id}"):
        raise AssertionError(f"meta.location is {created.meta.location}")
    return created


def refused(response, status, scim_type=None):
    if not isinstance(response, Error):
        raise AssertionError(f"expected an error, got {response!r}")
    equal(response.status, status, "status")
    if scim_type is not None:
        equal(response.scim_type, scim_type, "scimType")


def refuse_duplicate(scim, User, name):
    refused(scim.create(User(user_name=name.upper()), raise_scim_errors=False), 409, "uniqueness")


def refuse_unknown(scim, User):
    refused(scim.query(User, str(uuid.uuid4()), raise_scim_errors=False), 404)


def refuse_filter(scim):
    # The models would refuse to send it, so it goes out as plain parameters.
    answer = scim.request("GET", "/Users", params={"filter": "userName zz"})
    refused(Error.model_validate(answer.json()), 400, "invalidFilter")


def project(scim, User, ada):
    answer = scim.query(User, ada.id, ResponseParameters[User](attributes=["userName"]))
    equal(answer.user_name, ada.user_name, "userName")
    equal(answer.emails, None, "emails")


def only(answer, name):
    equal(answer.total_results, 1, "totalResults")
    equal(answer.resources[0].user_name.lower(), name.lower(), "userName")


def find(scim, User, name):
    only(scim.query(User, query_parameters=SearchRequest(filter=f'userName eq "{name}"')), name)


def search(scim, User, name):
    only(scim.search(User, SearchRequest(filter=f'userName eq "{name}" and active eq true')), name)


def page(scim, User):
    made = [scim.create(User(user_name=unique("page"))) for _ in range(3)]
    seen = []
    for start in (1, 2, 3):
        answer = scim.query(
            User,
            query_parameters=SearchRequest(start_index=start, count=1, filter='userName sw "page."'),
        )
        equal(answer.items_per_page, 1, "itemsPerPage")
        seen += [user.id for user in answer.resources]
    equal(sorted(seen), sorted(user.id for user in made), "the ids of three pages")
    for user in made:
        scim.delete(User, user.id)


def replace(scim, User, ada):
    changed = scim.query(User, ada.id)
    changed.display_name = "Countess"
    changed.title = "Analyst"
    equal(scim.replace(changed).display_name, "Countess", "displayName")
    equal(scim.query(User, ada.id).title, "Analyst", "title")


def patch(scim, model, id, *operations):
    return scim.modify(model, id, PatchOp[model](operations=list(operations)))


def patch_user(scim, User, ada):
    patch(
        scim,
        User,
        ada.id,
        PatchOperation(op="replace", path="active", value=False),
        PatchOperation(op="add", path="nickName", value="Ada"),
        PatchOperation(op="remove", path="title"),
    )
    now = scim.query(User, ada.id)
    equal((now.active, now.nick_name, now.title), (False, "Ada", None), "active, nickName, title")


def patch_email(scim, User, ada):
    value = unique("new")
    patch(
        scim, User, ada.id, PatchOperation(op="replace", path='emails[type eq "work"].value', value=value)
    )
    equal([mail.value for mail in scim.query(User, ada.id).emails], [value], "emails")


def create_group(scim, Group, ada):
    group = scim.create(
        Group(
            display_name=f"Engines {uuid.uuid4().hex[:8]}",
            members=[Group.Members(value=ada.id, type="User")],
        )
    )
    equal([member.value for member in group.members], [ada.id], "members")
    return group


def see_group(scim, User, ada, group):
    groups = scim.query(User, ada.id).groups or []
    equal([entry.value for entry in groups], [group.id], "groups")


def remove_member(scim, Group, ada, group):
    patch(scim, Group, group.id, PatchOperation(op="remove", path=f'members[value eq "{ada.id}"]'))
    equal(scim.query(Group, group.id).members or [], [], "members")


def bulk(scim, User, Group):
    answer = scim.bulk(
        BulkRequest[User | Group](
            operations=[
                BulkOperation[User](
                    method="POST", path="/Users", bulk_id="one", data=User(user_name=unique("bulk"))
                ),
                BulkOperation[Group](
                    method="POST",
                    path="/Groups",
                    bulk_id="two",
                    data=Group(
                        display_name=f"Bulk {uuid.uuid4().hex[:8]}",
                        members=[Group.Members(value="bulkId:one", type="User")],
                    ),
                ),
            ]
        )
    )
    equal([operation.status for operation in answer.operations], [201, 201], "the statuses")
    user, group = (operation.location.rsplit("/", 1)[-1] for operation in answer.operations)
    equal([member.value for member in scim.query(Group, group).members], [user], "members")
    scim.delete(Group, group)
    scim.delete(User, user)


def delete(scim, User, ada):
    scim.delete(User, ada.id)
    refused(scim.query(User, ada.id, raise_scim_errors=False), 404)


# --- scim2-cli ------------------------------------------------------------------------------


def scim(*arguments, payload=None):
    """Runs the `scim` command of this environment and returns its JSON answer."""
    program = pathlib.Path(sys.executable).with_name("scim")
    environment = {
        **os.environ,
        "SCIM_CLI_URL": URL,
        "SCIM_CLI_HEADERS": f"Authorization: Bearer {TOKEN}",
        "NO_COLOR": "1",
    }
    run = subprocess.run(
        [program, *arguments],
        env=environment,
        input=None if payload is None else json.dumps(payload),
        stdin=subprocess.DEVNULL if payload is None else None,
        capture_output=True,
        text=True,
        timeout=120,
    )
    if run.returncode != 0:
        raise AssertionError(f"exit status {run.returncode}\n{run.stdout[-2000:]}{run.stderr[-2000:]}")
    return json.loads(run.stdout) if run.stdout.lstrip().startswith("{") else run.stdout


def cli_part():
    part = "scim2-cli"
    name = unique("cli")
    user = check(
        part,
        "scim create user",
        lambda: scim("create", "user", "--user-name", name, "--name", '{"familyName": "Hopper"}'),
    )
    if user is None:
        return
    id = user["id"]
    check(part, "scim query user ID", lambda: equal(scim("query", "user", id)["userName"], name, "userName"))
    check(part, "scim query user --filter", lambda: cli_find("query", name))
    check(part, "scim search user --filter", lambda: cli_find("search", name))
    check(part, "scim modify user ID replace", lambda: cli_modify(id))
    check(part, "scim replace user", lambda: cli_replace(user))
    check(part, "scim bulk", lambda: cli_bulk())
    check(part, "scim delete user ID", lambda: scim("delete", "user", id))


def cli_find(verb, name):
    equal(scim(verb, "user", "--filter", f'userName eq "{name}"')["totalResults"], 1, "totalResults")


def cli_modify(id):
    scim("modify", "user", id, "replace", "displayName", "Grace")
    equal(scim("query", "user", id)["displayName"], "Grace", "displayName")


def cli_replace(user):
    wanted = {"schemas": user["schemas"], "id": user["id"], "userName": user["userName"], "title": "RAdm"}
    equal(scim("replace", "user", payload=wanted)["title"], "RAdm", "title")


def cli_bulk():
    answer = scim(
        "bulk",
        payload={
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
            "Operations": [
                {
                    "method": "POST",
                    "path": "/Users",
                    "bulkId": "one",
                    "data": {
                        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
                        "userName": unique("clibulk"),
                    },
                }
            ],
        },
    )
    operation = answer["Operations"][0]
    equal(str(operation["status"]), "201", "status")
    scim("delete", "user", operation["location"].rsplit("/", 1)[-1])


# --- scim2-tester ---------------------------------------------------------------------------


def suite_part():
    part = "scim2-tester"
    teach_the_tester_dates()
    teach_the_tester_read_only()
    results = check_server(open_client())
    counts = {}
    for result in results:
        counts[result.status.name] = counts.get(result.status.name, 0) + 1
        name = " ".join(filter(None, [result.resource_type, result.title]))
        reason = (result.reason or "").replace("\n", " ")
        if result.status in (Status.ERROR, Status.CRITICAL):
            report(part, name, f"{result.status.name}: {reason}\n      data: {result.data!s:.1500}")
        else:
            report(part, f"{name} [{result.status.name}] {reason[:120]}")
    print(f"{part}: " + ", ".join(f"{count} {name}" for name, count in sorted(counts.items())))
    ran = len(results) - counts.get(Status.SKIPPED.name, 0)
    problem = None if ran >= FEWEST_SUITE_CHECKS else f"it ran {ran}"
    report(part, f"ran at least {FEWEST_SUITE_CHECKS} checks", problem)


def main():
    client_part()
    cli_part()
    suite_part()
    print(f"\n{passed} passed, {len(failures)} failed against {URL}")
    for failure in failures:
        print(f"  FAIL  {failure}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
