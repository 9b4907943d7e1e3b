"""Gives the cases that schemathesis makes up what only a running system can know.

Made-up tokens, ids and passwords would be refused every time, and no good answer would
ever be compared with its schema. So most cases get a token of somebody who may, and
about half get the id, the password or the token of somebody who exists. Which ones is
decided by the case itself: the same case sent again is treated the same.
"""

import atexit
import collections
import json
import os
import pathlib
import traceback
import uuid
import zlib

import schemathesis
import callers
from callers import CLIENT, PASSWORD, admin, create, mailed_token, service, target, user

TALLY = pathlib.Path(os.environ["ACCRUE_CONFORMANCE_TALLY"])


# What has a rate, by which its tokens have a price.
RESOURCE = "conformance"


class Dice:
    """Chance that depends on nothing but the case."""

    def __init__(self, case):
        seen = repr((case.operation.label, case.path_parameters, case.query, case.headers, case.body))
        self.value = zlib.crc32(seen.encode(errors="replace"))

    def roll(self, sides):
        rolled, self.value = self.value % sides, self.value // sides
        return rolled


def authorize(case, dice):
    schemes = {name for entry in case.operation.definition.raw.get("security", []) for name in entry}
    if not schemes:
        return
    rolled = dice.roll(16)
    if rolled == 0:
        case.headers.pop("Authorization", None)
        return
    if rolled == 1:
        token = "rubbish"
    elif rolled == 2:
        # Somebody who may not, of one kind or the other.
        token = user.here().access_token if "token" in schemes else service.token()
    elif schemes == {"owner"} or ("owner" in schemes and rolled < 9):
        token = user.here().access_token
    else:
        is_auth = case.operation.path.startswith("/v1/users")
        token = admin.here().access_token if is_auth and rolled < 9 else service.token()
    case.headers["Authorization"] = f"Bearer {token}"


def name_what_exists(case, dice):
    names = case.path_parameters or {}
    is_accounting = case.operation.path.startswith("/v1/accounts")
    if "user_id" in names and dice.roll(3):
        # Who is to get mail must not be deactivated by an earlier case.
        is_mailed = case.operation.path.endswith("/password-reset")
        somebody = create()[0] if is_mailed else target.here()
        names["user_id"] = user.here().user_id if is_accounting else somebody
        for name in ("allocation_id", "usage_id", "reservation_id", "seq"):
            if name in names and dice.roll(4):
                names[name] = getattr(callers, name)(names["user_id"])
    if "resource" in names and dice.roll(4):
        names["resource"] = RESOURCE
        version = callers.set_rate(RESOURCE)["version"]
        if "version" in names and dice.roll(4):
            names["version"] = version
    if case.operation.path == "/v1/admin/dead-letters/{id}" and dice.roll(4):
        names["id"] = callers.dead_letter_id()
    if "session_id" in names and dice.roll(4):
        names["session_id"] = user.here().session_id()


def good_body(case, dice):
    """The body of somebody who knows what to send, for calls that need a secret."""
    label = case.operation.label
    if label == "POST /v1/login":
        return {"email": user.here().email, "password": PASSWORD}
    if label == "POST /oauth2/token" and dice.roll(2):
        return {"grant_type": "client_credentials", "client_id": CLIENT[0], "client_secret": CLIENT[1]}
    if label in ("POST /oauth2/token", "POST /oauth2/revoke"):
        refresh_token = user.here().begin_session()["refresh_token"]
        is_token = label == "POST /oauth2/token"
        grant = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return grant if is_token else {"token": refresh_token}
    if label == "PUT /v1/users/me/password":
        return {"current_password": PASSWORD, "new_password": f"{PASSWORD} {dice.value}"}
    if label == "PUT /v1/users/{user_id}/roles":
        return {"roles": [["admin"], ["supervisor"], []][dice.roll(3)]}
    if label == "POST /v1/users" and dice.roll(2):
        return {"email": f"{uuid.uuid4().hex}@example.com", "password": PASSWORD}
    if label == "PATCH /v1/users/me":
        fields = dict(case.body) if isinstance(case.body, dict) else {}
        return fields | {"current_password": PASSWORD}
    if label in ("POST /v1/password-resets", "POST /v1/users/resend-verification"):
        return {"email": user.here().email}
    if label == "POST /v1/password-resets/confirm":
        token = mailed_token("/v1/password-resets", "reset-password")
        return {"token": token, "new_password": f"{PASSWORD} new"}
    if label.endswith("/extend"):
        return {"expires_in": 7200 + dice.roll(1000)}
    if label == "PUT /v1/rates/{resource}":
        return {"units": {"tokens": {"credits": f"{dice.roll(9)}.5", "per": 1000}}}
    if label == "POST /v1/rates/quote":
        callers.set_rate(RESOURCE)
        return {"resource": RESOURCE, "units": {"tokens": dice.roll(9000)}}
    if label.endswith("/capture"):
        return {"credits": 1 + dice.roll(3)}
    if label.endswith("/refund"):
        return {"credits": 1 + dice.roll(3)}
    if label in ("POST /v1/accounts/{user_id}/usage", "POST /v1/accounts/{user_id}/reservations"):
        if case.path_parameters["user_id"] == user.here().user_id:
            callers.book(user.here().user_id, "allocations", credits=10)
        body = {"credits": 1 + dice.roll(9)}
        if dice.roll(2):
            callers.set_rate(RESOURCE)
            body = {"resource": RESOURCE, "units": {"tokens": dice.roll(9000)}}
        return body | {"expires_in": 60} if label.endswith("/reservations") else body
    if label.endswith("/orphan"):
        return {"user_version": callers.user_version(user.here().user_id)}
    if label.endswith("/transfers"):
        if case.path_parameters["user_id"] == user.here().user_id:
            callers.book(user.here().user_id, "allocations", credits=10)
        body = {"to": uuid.uuid4().hex, "reason": "mistyped"}
        return body | ({"all": True} if dice.roll(2) else {"credits": 1 + dice.roll(9)})
    if label == "POST /v1/allocations/batch":
        return {"allocations": [{"user_id": uuid.uuid4().hex, "credits": 1 + dice.roll(9)}]}
    if label == "POST /v1/users/verify-email":
        return {"token": mailed_token("/v1/users/resend-verification", "verify-email")}
    return None


def complete(case):
    dice = Dice(case)
    authorize(case, dice)
    name_what_exists(case, dice)
    if case.operation.method == "get" and dice.roll(2):
        # Of cursors that were made up none is good.
        case.query = {}
    body = good_body(case, dice) if dice.roll(3) else None
    if body is not None:
        case.body = body


@schemathesis.hook
def before_call(ctx, case, kwargs):
    try:
        complete(case)
    except Exception:
        # Of what a hook raises schemathesis keeps no more than that there was something.
        traceback.print_exc()
        raise


answers = collections.defaultdict(collections.Counter)


@atexit.register
def tell_answers():
    """How often each operation answered with which status, for the script that started this."""
    TALLY.write_text(json.dumps(answers))


@schemathesis.hook
def after_call(ctx, case, response):
    label, status = case.operation.label, response.status_code
    answers[label][status] += 1
    changes_me = label in ("DELETE /v1/users/me", "PATCH /v1/users/me", "PUT /v1/users/me/password",
                           "POST /v1/accounts/{user_id}/orphan")
    if changes_me and status < 300:
        user.forget()
        admin.forget()
    if label == "DELETE /v1/users/{user_id}" and status < 300:
        target.forget()
