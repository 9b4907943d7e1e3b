"""Authlib, an OAuth library that knows nothing of accrue, as a client of its auth.

It is given the issuer's address, a client's id and secret, and somebody's address and
password, all in the environment, and finds out the rest by itself. Each step that held
is one line; the first that does not ends it with exit code 1.
"""

import os
import time

import requests
from authlib.integrations.requests_client import OAuth2Session, OAuthError
from authlib.oauth2.rfc6750.errors import InsufficientScopeError, InvalidTokenError
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata, get_well_known_url
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from joserfc import jwt
from joserfc.jwk import KeySet

ISSUER = os.environ["ACCRUE_CONFORMANCE_AUTH"].rstrip("/")
CLIENT_ID = os.environ["ACCRUE_CONFORMANCE_CLIENT_ID"]
CLIENT_SECRET = os.environ["ACCRUE_CONFORMANCE_CLIENT_SECRET"]
EMAIL = os.environ["ACCRUE_CONFORMANCE_EMAIL"]
PASSWORD = os.environ["ACCRUE_CONFORMANCE_PASSWORD"]
AUDIENCE = "accrue"
# Our own client, for people who sign in. It has no secret.
FIRST_PARTY = "accrue"
TIMEOUT_S = 30

# The library insists on https, except for who says that this is a test.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"


def held(holds, step):
    if not holds:
        raise SystemExit(f"did not hold: {step}")
    print(f"held: {step}")


def refused(error, call, **arguments):
    """Whether the library is told this OAuth error."""
    try:
        call(**arguments)
    except OAuthError as told:
        return told.error == error
    return False


def discover():
    """The metadata, from the one address that a client has to know (RFC 8414)."""
    reply = requests.get(get_well_known_url(ISSUER, external=True), timeout=TIMEOUT_S)
    reply.raise_for_status()
    metadata = AuthorizationServerMetadata(reply.json())
    metadata.validate()
    held(metadata["issuer"] == ISSUER, "the metadata is valid and names the issuer that was asked for")
    return metadata


class Resource(JWTBearerTokenValidator):
    """A service that takes access tokens, as RFC 9068 tells it to."""

    def __init__(self, metadata, audience=AUDIENCE):
        super().__init__(metadata["issuer"], audience)
        self.jwks_uri = metadata["jwks_uri"]

    def get_jwks(self):
        reply = requests.get(self.jwks_uri, timeout=TIMEOUT_S)
        reply.raise_for_status()
        return KeySet.import_key_set(reply.json())

    def takes(self, token, scope=None):
        """The claims of a token that is good for `scope`."""
        claims = self.authenticate_token(token)
        self.validate_token(claims, [scope] if scope else [], None)
        return claims

    def refuses(self, error, token, scope=None):
        try:
            self.takes(token, scope)
        except error:
            return True
        return False


def verify(metadata, token, scope):
    """Signature, issuer, audience, type and time, each by the libraries' own rules."""
    resource = Resource(metadata)
    claims = resource.takes(token, scope)
    # The library lets a token pass that has no type at all.
    held(claims.header["typ"] == "at+jwt", "the token's type is at+jwt")
    decoded = jwt.decode(token, resource.get_jwks(), algorithms=["ES256"])
    jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": ISSUER},
        aud={"essential": True, "value": AUDIENCE},
        exp={"essential": True},
        nbf={"essential": True},
    ).validate(decoded.claims)
    lifetime_s = decoded.claims["exp"] - decoded.claims["iat"]
    held(0 < lifetime_s <= 900, "the token verifies by jwks_uri, and lives 15 minutes at most")
    head, body, signature = token.split(".")
    swapped = "A" if signature[0] != "A" else "B"
    forged = f"{head}.{body}.{swapped}{signature[1:]}"
    held(resource.refuses(InvalidTokenError, forged), "a token with another signature does not")
    elsewhere = Resource(metadata, "elsewhere")
    held(elsewhere.refuses(InvalidTokenError, token), "nor does it at a service of another audience")
    return decoded.claims


def service(metadata):
    """A service gets tokens in its own name (RFC 6749, section 4.4)."""
    for method in ["client_secret_basic", "client_secret_post"]:
        held(method in metadata["token_endpoint_auth_methods_supported"], f"{method} is offered")
        client = OAuth2Session(
            CLIENT_ID, CLIENT_SECRET, token_endpoint_auth_method=method, default_timeout=TIMEOUT_S, **metadata
        )
        token = client.fetch_token(grant_type="client_credentials")
        claims = verify(metadata, token["access_token"], "users:admin")
        held(claims["client_id"] == CLIENT_ID, "the token is the client's")
        held(client.get(f"{ISSUER}/v1/users").status_code == 200, "and opens what it is for")
    narrow = client.fetch_token(grant_type="client_credentials", scope="accounts:read")
    is_narrow = Resource(metadata).refuses(InsufficientScopeError, narrow["access_token"], "users:admin")
    held(is_narrow and narrow["scope"] == "accounts:read", "a token for a part of the scopes is for no more")
    held(client.get(f"{ISSUER}/v1/users").status_code == 403, "and opens no more")
    stranger = OAuth2Session(CLIENT_ID, "wrong", default_timeout=TIMEOUT_S, **metadata)
    is_refused = refused("invalid_client", stranger.fetch_token, grant_type="client_credentials")
    held(is_refused, "a wrong secret is refused with invalid_client")


def person(metadata):
    """Somebody signs in; the library keeps them signed in, and signs them out."""
    login = {"email": EMAIL, "password": PASSWORD}
    reply = requests.post(f"{ISSUER}/v1/login", json=login, timeout=TIMEOUT_S)
    reply.raise_for_status()
    told = reply.json()
    renewed = []
    client = OAuth2Session(
        FIRST_PARTY,
        token_endpoint_auth_method="none",
        token=told | {"expires_at": int(time.time()) - 1},
        update_token=lambda token, refresh_token=None, access_token=None: renewed.append(token),
        default_timeout=TIMEOUT_S,
        **metadata,
    )
    # The library takes the access token for expired, and gets another one by itself.
    held(client.get(f"{ISSUER}/v1/users/me").json()["email"] == EMAIL, "an expired token is renewed unasked")
    held(len(renewed) == 1 and renewed[0]["refresh_token"] != told["refresh_token"], "the refresh token rotates")
    claims = verify(metadata, client.token["access_token"], "me")
    held(claims["sub"] == told["user_id"], "the token is the user's")
    is_refused = refused("invalid_grant", client.refresh_token, refresh_token=told["refresh_token"])
    held(is_refused, "the used refresh token is refused with invalid_grant")
    last = client.refresh_token(refresh_token=renewed[0]["refresh_token"])["refresh_token"]
    held(last != renewed[0]["refresh_token"], "which does not end the session within the grace")
    revoked = client.revoke_token(metadata["revocation_endpoint"], token=last, token_type_hint="refresh_token")
    held(revoked.status_code == 200, "a refresh token can be revoked (RFC 7009)")
    is_refused = refused("invalid_grant", client.refresh_token, refresh_token=last)
    held(is_refused, "and is refused with invalid_grant from then on")


if __name__ == "__main__":
    found = discover()
    service(found)
    person(found)
