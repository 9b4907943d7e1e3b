"""Who calls in the cases of schemathesis_hooks.py, and what they know: tokens, ids, mail."""

import contextlib
import json
import os
import pathlib
import re
import sqlite3
import time
import uuid

import requests

AUTH = os.environ["ACCRUE_CONFORMANCE_AUTH"].rstrip("/")
ACCOUNTING = os.environ["ACCRUE_CONFORMANCE_ACCOUNTING"].rstrip("/")
CLIENT = (os.environ["ACCRUE_CONFORMANCE_CLIENT_ID"], os.environ["ACCRUE_CONFORMANCE_CLIENT_SECRET"])
DATA = pathlib.Path(os.environ["ACCRUE_CONFORMANCE_DATA"])
MAIL, BROKER = DATA / "mail", DATA / "broker.db"
PASSWORD = "correct horse battery"
# A token is replaced well before it expires.
MARGIN_S = 120
# After so many cases somebody else takes the place of a person, who may by now be changed.
CASES_A_PERSON = 100

http = requests.Session()


class Refused(Exception):
    """An answer was not the good one that it must be."""


def ask(method, url, **arguments):
    """An answer that must be a good one: without it the cases would prove nothing."""
    reply = http.request(method, url, timeout=30, **arguments)
    if not reply.ok:
        raise Refused(f"{method} {url} answered {reply.status_code}: {reply.text}")
    return reply.json() if reply.content else None


class Service:
    """The client that may do everything, and its token."""

    def __init__(self):
        self.good_until = 0.0

    def token(self):
        if time.monotonic() >= self.good_until:
            told = ask("POST", f"{AUTH}/oauth2/token", auth=CLIENT, data={"grant_type": "client_credentials"})
            self.access_token = told["access_token"]
            self.good_until = time.monotonic() + told["expires_in"] - MARGIN_S
        return self.access_token


service = Service()


def create(roles=()):
    """Somebody new, by way of the service."""
    email = f"{uuid.uuid4().hex}@example.com"
    user = {"email": email, "password": PASSWORD, "roles": list(roles)}
    headers = {"Authorization": f"Bearer {service.token()}", "Idempotency-Key": email}
    told = ask("POST", f"{AUTH}/v1/users/batch", json={"users": [user]}, headers=headers)
    return told["results"][0]["user_id"], email


class Person:
    """Somebody with these roles, signed in; somebody else when the last one is worn out."""

    def __init__(self, roles=()):
        self.roles = roles
        self.cases_left = 0

    def renew(self):
        self.user_id, self.email = create(self.roles)
        login = self.log_in()
        self.access_token = login["access_token"]
        self.good_until = time.monotonic() + login["expires_in"] - MARGIN_S
        self.cases_left = CASES_A_PERSON
        return login

    def log_in(self):
        return ask("POST", f"{AUTH}/v1/login", json={"email": self.email, "password": PASSWORD})

    def begin_session(self):
        """A session that has just begun. An earlier case may have shut this person out, or
        erased them: then it is somebody else's."""
        try:
            return self.log_in()
        except Refused:
            return self.renew()

    def here(self):
        if self.cases_left <= 0 or time.monotonic() >= self.good_until:
            self.renew()
        self.cases_left -= 1
        return self

    def forget(self):
        self.cases_left = 0

    def session_id(self):
        """The id of a session that has just begun: the others may have been ended."""
        headers = {"Authorization": f"Bearer {self.begin_session()['access_token']}"}
        return ask("GET", f"{AUTH}/v1/users/me/sessions", headers=headers)["data"][0]["session_id"]


user, admin = Person(), Person(["admin"])


class Target:
    """Somebody who never signs in, for admins to change."""

    def __init__(self):
        self.user_id = None
        self.cases_left = 0

    def here(self):
        if self.cases_left <= 0:
            self.user_id, _ = create()
            self.cases_left = CASES_A_PERSON
        self.cases_left -= 1
        return self.user_id

    def forget(self):
        self.cases_left = 0


target = Target()


def mailed_token(path, page):
    """The token in the mail that somebody new gets when `path` is asked for one."""
    _, email = create()
    ask("POST", f"{AUTH}{path}", json={"email": email})
    give_up = time.monotonic() + 20
    while time.monotonic() < give_up:
        for file in MAIL.glob("*.eml"):
            mail = file.read_text()
            file.unlink()
            found = re.search(rf"/{page}#token=(\S+)", mail)
            if found and f"To: {email}" in mail:
                return found.group(1)
        time.sleep(0.01)
    raise RuntimeError(f"no mail came after POST {path}")


def book(user_id, below, **body):
    """Books something on an account, as the service; the good answer."""
    headers = {"Authorization": f"Bearer {service.token()}", "Idempotency-Key": uuid.uuid4().hex}
    url = f"{ACCOUNTING}/v1/accounts/{user_id}/{below}"
    return ask("POST", url, json=body, headers=headers)


def allocation_id(user_id):
    return book(user_id, "allocations", credits=1)["allocation"]["id"]


def usage_id(user_id):
    """The id of a usage that nothing was refunded of."""
    book(user_id, "allocations", credits=3)
    return book(user_id, "usage", credits=3)["usage"]["id"]


def reservation_id(user_id):
    """The id of a reservation that is held."""
    book(user_id, "allocations", credits=5)
    return book(user_id, "reservations", credits=3, expires_in=3600)["reservation"]["id"]


def set_rate(resource):
    """A rate by which `tokens` of the resource have a price."""
    headers = {"Authorization": f"Bearer {service.token()}"}
    body = {"units": {"tokens": {"credits": "0.5", "per": 1000}}}
    return ask("PUT", f"{ACCOUNTING}/v1/rates/{resource}", json=body, headers=headers)


def dead_letter_id():
    """The id of a dead letter that is on the embedded broker, of an event that concerns nobody: sent
    back, it is passed over."""
    letter_id = str(uuid.uuid4())
    now = time.time_ns()
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now // 10**9))
    event = {"specversion": "1.0", "id": letter_id, "source": "conformance", "subject": "nobody",
             "type": "accrue.user.sneezed.v1", "time": moment, "datacontenttype": "application/json", "data": {}}
    row = (letter_id, "user.sneezed", "application/cloudevents+json", json.dumps(event).encode(), "rejected",
           now // 1000)
    # Closing is what `with` does not do.
    with contextlib.closing(sqlite3.connect(BROKER, timeout=30)) as broker, broker:
        broker.execute("INSERT INTO dead_letters (message_id, routing_key, content_type, body, reason, dead_since)"
                       " VALUES (?, ?, ?, ?, ?, ?)", row)
    return letter_id


def user_version(user_id):
    """The version that accounting knows of a user, once their event has arrived."""
    headers = {"Authorization": f"Bearer {service.token()}", "Prefer": "wait=10"}
    ask("GET", f"{ACCOUNTING}/v1/accounts/{user_id}", headers=headers)
    return ask("GET", f"{ACCOUNTING}/v1/account-versions/{user_id}", headers=headers)["user_version"]


def seq(user_id):
    """The number of an entry: an account with an allocation has a first one."""
    book(user_id, "allocations", credits=1)
    return 1
