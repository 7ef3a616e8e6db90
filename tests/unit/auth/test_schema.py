"""The queries and mutations of the auth service, in process and with fakes."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from strawberry.types import ExecutionResult
from uuid_utils.compat import uuid7

from chassis.node_ids import naming
from chassis.principal import Principal
from subgraphs.auth.context import AuthContext
from subgraphs.auth.domain import Device, EmailSettings, SignedIn
from subgraphs.auth.errors import (
    EmailTaken,
    InvalidCode,
    InvalidCredentials,
    InvalidInput,
    TooManyAttempts,
)
from subgraphs.auth.schema import build_schema
from tests.unit.auth.fakes import FakeAuth
from tests.unit.auth.service_suite import PASSWORD, sign_in, sign_up

SCHEMA = build_schema()
TOKENS = "accessToken refreshToken session { userAgent address scopes current } user { username }"


@pytest.fixture
def auth() -> FakeAuth:
    return FakeAuth.in_memory()


async def execute(
    auth: FakeAuth,
    query: str,
    caller: SignedIn | None = None,
    scopes: frozenset[str] | None = None,
    **variables: Any,
) -> ExecutionResult:
    principal = None
    if caller:
        session = caller.session
        principal = Principal(
            user_id=caller.user.id,
            username=caller.user.username,
            scopes=session.scopes if scopes is None else scopes,
            session_id=session.id,
            expires_at=session.expires_at,
        )
    context = AuthContext(
        principal=principal,
        client_address="192.0.2.7",
        user_agent="tests",
        service=auth.service,
        recovery=auth.recovery,
        sessions=auth.sessions,
    )
    result = await SCHEMA.execute(query, variable_values=variables, context_value=context)
    assert isinstance(result, ExecutionResult)
    return result


async def data(auth: FakeAuth, query: str, caller: SignedIn | None = None, **v: Any) -> Any:
    result = await execute(auth, query, caller, **v)
    assert result.errors is None
    return result.data


async def code(
    auth: FakeAuth,
    query: str,
    caller: SignedIn | None = None,
    scopes: frozenset[str] | None = None,
) -> Any:
    result = await execute(auth, query, caller, scopes)
    assert result.errors
    return (result.errors[0].extensions or {})["code"]


class TestSignUp:
    MUTATION = f"""
        mutation ($input: SignUpInput!) {{ signUp(input: $input) {{
            __typename
            ... on SignedIn {{ {TOKENS} }}
            ... on Error {{ message }}
            ... on InvalidInputError {{ problems {{ field message }} }}
        }} }}
    """

    async def test_sign_up_returns_tokens_and_session(self, auth: FakeAuth) -> None:
        entry = {"username": "Ada", "email": "ada@example.com", "password": PASSWORD}
        answer = (await data(auth, self.MUTATION, input=entry))["signUp"]
        assert answer["__typename"] == "SignedIn"
        assert auth.access_tokens.verify(answer["accessToken"]).username == "Ada"
        assert answer["user"] == {"username": "Ada"}
        assert answer["session"] == {
            "userAgent": "tests",
            "address": "192.0.2.7",
            "scopes": ["account:read", "account:write", "tweets:read", "tweets:write"],
            "current": True,
        }

    @pytest.mark.parametrize(
        ("change", "type_name", "message"),
        [
            ({"username": "ADA"}, "UsernameTakenError", "This username is taken."),
            (
                {"email": "ADA@example.com"},
                "EmailTakenError",
                "An account with this e-mail address exists. Sign in, or use another address.",
            ),
            ({"password": "short"}, "InvalidInputError", "One or more input fields are invalid."),
        ],
    )
    async def test_refused_sign_up_is_an_error_value(
        self, auth: FakeAuth, change: dict[str, str], type_name: str, message: str
    ) -> None:
        await sign_up(auth.service)
        entry = {"username": "other", "email": "other@example.com", "password": PASSWORD}
        answer = (await data(auth, self.MUTATION, input=entry | change))["signUp"]
        assert (answer["__typename"], answer["message"]) == (type_name, message)

    @pytest.mark.parametrize(
        ("settings", "wanted"),
        [
            ({}, False),
            ({"emailSettings": {}}, False),
            ({"emailSettings": {"retweets": True}}, True),
        ],
    )
    async def test_email_settings_default_to_no_mail(
        self, auth: FakeAuth, settings: dict[str, Any], wanted: bool
    ) -> None:
        entry = {"username": "Ada", "email": "ada@example.com", "password": PASSWORD}
        await data(auth, self.MUTATION, input=entry | settings)
        event = (await auth.events())[0]
        assert event.data["emailSettings"] == {"retweets": wanted}

    async def test_every_problem_names_its_field(self, auth: FakeAuth) -> None:
        entry = {"username": "!", "email": "!", "password": "!"}
        answer = (await data(auth, self.MUTATION, input=entry))["signUp"]
        assert [p["field"] for p in answer["problems"]] == ["username", "email", "password"]


class TestSignIn:
    MUTATION = f"""
        mutation ($input: SignInInput!) {{ signIn(input: $input) {{
            __typename ... on SignedIn {{ {TOKENS} }} ... on Error {{ message }}
        }} }}
    """

    async def test_sign_in_returns_tokens(self, auth: FakeAuth) -> None:
        await sign_up(auth.service)
        entry = {"login": "ada", "password": PASSWORD, "scopes": ["tweets:read"]}
        answer = (await data(auth, self.MUTATION, input=entry))["signIn"]
        assert answer["session"]["scopes"] == ["tweets:read"]

    async def test_wrong_credentials_are_an_error_value(self, auth: FakeAuth) -> None:
        entry = {"login": "ada", "password": PASSWORD}
        answer = (await data(auth, self.MUTATION, input=entry))["signIn"]
        assert answer["__typename"] == "InvalidCredentialsError"
        assert answer["message"] == "The login or the password is wrong."

    @pytest.mark.asvs("6.3.1")
    async def test_each_sign_in_of_a_document_is_counted(self, auth: FakeAuth) -> None:
        await sign_up(auth.service)
        entry = '{login: "ada", password: "wrong password"}'
        fields = " ".join(f"s{n}: signIn(input: {entry}) {{ ...F }}" for n in range(4))
        document = f"""
            mutation {{ {fields} }}
            fragment F on SignInResult {{
                __typename
                ... on Error {{ message }}
                ... on TooManyAttemptsError {{ retryAfter }}
            }}
        """
        answers = [answer for _ in range(3) for answer in (await data(auth, document)).values()]
        wrong = {
            "__typename": "InvalidCredentialsError",
            "message": "The login or the password is wrong.",
        }
        too_many = {
            "__typename": "TooManyAttemptsError",
            "message": "Too many attempts. Try again in 6 minutes.",
            "retryAfter": 360,
        }
        assert answers == [wrong] * 10 + [too_many] * 2
        assert len(auth.passwords.verified) == 10


class TestRefreshSession:
    MUTATION = f"""
        mutation ($token: String!) {{ refreshSession(refreshToken: $token) {{
            __typename ... on SignedIn {{ {TOKENS} }} ... on Error {{ message }}
        }} }}
    """

    async def test_refresh_returns_new_tokens(self, auth: FakeAuth) -> None:
        signed_in = await sign_up(auth.service)
        answer = (await data(auth, self.MUTATION, token=signed_in.refresh_token))["refreshSession"]
        assert answer["refreshToken"] != signed_in.refresh_token

    async def test_invalid_refresh_token_is_an_error_value(self, auth: FakeAuth) -> None:
        answer = (await data(auth, self.MUTATION, token="nonsense"))["refreshSession"]
        assert answer["__typename"] == "InvalidRefreshTokenError"
        assert answer["message"] == "The refresh token is not valid. Sign in again."


class TestSignOut:
    async def test_sign_out_ends_the_session_of_the_request(self, auth: FakeAuth) -> None:
        caller = await sign_up(auth.service)
        answer = await data(auth, "mutation { signOut { sessionIds } }", caller)
        assert answer["signOut"]["sessionIds"] == [str(caller.session.id)]

    async def test_sign_out_needs_a_session_and_no_scope(self, auth: FakeAuth) -> None:
        caller = await sign_up(auth.service)
        mutation = "mutation { signOut { sessionIds } }"
        assert await code(auth, mutation) == "UNAUTHENTICATED"
        assert (await execute(auth, mutation, caller, frozenset())).errors is None

    async def test_sign_out_everywhere_needs_its_scope(self, auth: FakeAuth) -> None:
        caller = await sign_up(auth.service)
        mutation = "mutation { signOutEverywhere { __typename } }"
        assert await code(auth, mutation, caller, frozenset({"tweets:write"})) == "FORBIDDEN"
        assert await data(auth, mutation, caller)

    @pytest.mark.parametrize("mutation", ["signOutEverywhere", 'revokeSession(id: "%s")'])
    async def test_old_session_must_reauthenticate(self, auth: FakeAuth, mutation: str) -> None:
        caller, other = await sign_up(auth.service), await sign_in(auth.service)
        auth.clock.advance(minutes=16)
        query = f"""mutation {{ it: {mutation.replace("%s", str(other.session.id))} {{
            __typename ... on ReauthenticationRequiredError {{ message maxAge }} }} }}"""
        assert (await data(auth, query, caller))["it"] == {
            "__typename": "ReauthenticationRequiredError",
            "message": "Enter your password again: you last did so more than 15 minutes ago.",
            "maxAge": 900,
        }

    async def test_unknown_session_is_an_error_value(self, auth: FakeAuth) -> None:
        caller = await sign_up(auth.service)
        other = await sign_up(auth.service, "grace")
        mutation = "mutation ($id: ID!) { revokeSession(id: $id) { __typename } }"
        for session_id in ("nonsense", str(other.session.id)):
            answer = await data(auth, mutation, caller, id=session_id)
            assert answer["revokeSession"] == {"__typename": "SessionNotFoundError"}


class TestReauthenticate:
    MUTATION = """mutation ($p: String!) { reauthenticate(password: $p) {
        __typename
        ... on Reauthenticated { accessToken accessTokenExpiresAt refreshToken session {
            id userAgent current } }
        ... on Error { message }
    } }"""

    async def test_new_session_is_that_of_the_answer(self, auth: FakeAuth) -> None:
        caller = await sign_in(auth.service, (await sign_up(auth.service)).user.username)
        answer = (await data(auth, self.MUTATION, caller, p=PASSWORD))["reauthenticate"]
        verified = auth.access_tokens.verify(answer["accessToken"])
        assert answer["session"] == {
            "id": str(verified.session_id),
            "userAgent": "tests",
            "current": True,
        }
        assert verified.session_id != caller.session.id

    async def test_wrong_password_is_an_error_value(self, auth: FakeAuth) -> None:
        caller = await sign_up(auth.service)
        answer = await data(auth, self.MUTATION, caller, p="wrong password")
        assert answer["reauthenticate"]["__typename"] == "InvalidCredentialsError"

    async def test_reauthentication_needs_its_scope(self, auth: FakeAuth) -> None:
        caller = await sign_up(auth.service)
        mutation = 'mutation { reauthenticate(password: "x") { __typename } }'
        assert await code(auth, mutation) == "UNAUTHENTICATED"
        assert await code(auth, mutation, caller, frozenset({"account:read"})) == "FORBIDDEN"

    async def test_session_that_ended_meanwhile_is_unauthenticated(self, auth: FakeAuth) -> None:
        caller = await sign_up(auth.service)
        await auth.sessions.sign_out(caller.user.id, caller.session.id)
        mutation = f'mutation {{ reauthenticate(password: "{PASSWORD}") {{ __typename }} }}'
        assert await code(auth, mutation, caller) == "UNAUTHENTICATED"


class TestDeleteAccount:
    MUTATION = "mutation ($p: String!) { deleteAccount(password: $p) { __typename } }"

    async def test_delete_account_needs_the_password(self, auth: FakeAuth) -> None:
        caller = await sign_up(auth.service)
        answer = await data(auth, self.MUTATION, caller, p="wrong password")
        assert answer["deleteAccount"] == {"__typename": "InvalidCredentialsError"}
        answer = await data(auth, self.MUTATION, caller, p=PASSWORD)
        assert answer["deleteAccount"] == {"__typename": "AccountDeleted"}


class TestMe:
    async def test_me_is_null_for_an_anonymous_request(self, auth: FakeAuth) -> None:
        assert await data(auth, "{ me { id } }") == {"me": None}

    async def test_me_is_the_signed_in_user(self, auth: FakeAuth) -> None:
        caller = await sign_up(auth.service)
        answer = await data(auth, "{ me { id username email } }", caller)
        assert answer["me"] == {
            "id": str(caller.user.id),
            "username": "ada",
            "email": "ada@example.com",
        }

    async def test_own_address_needs_its_scope(self, auth: FakeAuth) -> None:
        caller = await sign_up(auth.service)
        assert await code(auth, "{ me { email } }", caller, frozenset()) == "FORBIDDEN"


class TestSessions:
    async def test_sessions_are_listed_and_this_one_is_marked(self, auth: FakeAuth) -> None:
        first = await sign_up(auth.service)
        auth.clock.advance(seconds=1)
        await sign_in(auth.service)
        answer = await data(auth, "{ sessions { userAgent address current } }", first)
        assert answer["sessions"] == [
            {"userAgent": "Phone", "address": "192.0.2.2", "current": False},
            {"userAgent": "Laptop", "address": "192.0.2.1", "current": True},
        ]

    async def test_sessions_name_browser_and_system(self, auth: FakeAuth) -> None:
        caller = await sign_up(auth.service)
        auth.clock.advance(seconds=1)
        agent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:132.0) Gecko/20100101 Firefox/132.0"
        await auth.service.sign_in(
            login="ada", password=PASSWORD, scopes=None, device=Device(agent, "192.0.2.2")
        )
        answer = await data(auth, "{ sessions { browser system } }", caller)
        assert answer["sessions"] == [
            {"browser": "Firefox", "system": "Windows"},
            {"browser": None, "system": None},
        ]

    async def test_sessions_need_a_session(self, auth: FakeAuth) -> None:
        assert await code(auth, "{ sessions { id } }") == "UNAUTHENTICATED"


class TestSecurityEvents:
    QUERY = """
        query ($after: String) { securityEvents(first: 1, after: $after) {
            edges { node {
                kind description at sessionId userAgent browser system address byOperator
            } }
            pageInfo { hasNextPage hasPreviousPage endCursor }
        } }
    """

    async def test_own_events_are_shown_page_by_page(self, auth: FakeAuth) -> None:
        ada = await sign_up(auth.service)
        await sign_up(auth.service, "grace")
        auth.clock.advance(seconds=1)
        await sign_in(auth.service)
        newest = (await data(auth, self.QUERY, ada))["securityEvents"]
        cursor = newest["pageInfo"]["endCursor"]
        oldest = (await data(auth, self.QUERY, ada, after=cursor))["securityEvents"]
        assert newest["edges"][0]["node"]["kind"] == "SIGNED_IN_ON_NEW_DEVICE"
        assert newest["pageInfo"]["hasNextPage"]
        assert oldest["edges"][0]["node"] == {
            "kind": "SIGNED_UP",
            "description": "The account was created.",
            "at": ada.session.created_at.isoformat(),
            "sessionId": str(ada.session.id),
            "userAgent": "Laptop",
            "browser": None,
            "system": None,
            "address": "192.0.2.1",
            "byOperator": False,
        }
        assert not oldest["pageInfo"]["hasNextPage"]
        assert oldest["pageInfo"]["hasPreviousPage"]

    async def test_events_need_a_session_and_its_scope(self, auth: FakeAuth) -> None:
        query = "{ securityEvents { edges { cursor } } }"
        assert await code(auth, query) == "UNAUTHENTICATED"
        ada = await sign_up(auth.service)
        assert await code(auth, query, ada, frozenset({"account:write"})) == "FORBIDDEN"

    async def test_more_than_a_page_is_refused(self, auth: FakeAuth) -> None:
        ada = await sign_up(auth.service)
        query = "{ securityEvents(first: 101) { edges { cursor } } }"
        assert await code(auth, query, ada) == "BAD_USER_INPUT"


class TestUser:
    QUERY = "query ($name: String!) { user(username: $name) { id username email emailVerified } }"

    async def test_user_is_found_in_any_case_without_the_address(self, auth: FakeAuth) -> None:
        ada, grace = await sign_up(auth.service), await sign_up(auth.service, "grace")
        found = await data(auth, self.QUERY, grace, name=" ADA ")
        assert found["user"] == {
            "id": str(ada.user.id),
            "username": "ada",
            "email": None,
            "emailVerified": None,
        }

    @pytest.mark.parametrize("name", ["joan", "ada@example.com", "", "a" * 300, "ada\n2"])
    async def test_unknown_name_and_address_are_null(self, auth: FakeAuth, name: str) -> None:
        ada = await sign_up(auth.service)
        assert await data(auth, self.QUERY, ada, name=name) == {"user": None}

    async def test_anonymous_caller_is_unauthenticated(self, auth: FakeAuth) -> None:
        assert await code(auth, '{ user(username: "ada") { id } }') == "UNAUTHENTICATED"

    async def test_look_ups_of_one_user_are_limited(self, auth: FakeAuth) -> None:
        ada, grace = await sign_up(auth.service), await sign_up(auth.service, "grace")
        for _ in range(600):
            await auth.service.user_named("joan", ada.user.id)
        result = await execute(auth, self.QUERY, ada, name="grace")
        assert result.errors
        assert result.errors[0].message == "Too many look-ups of users. Try again in 6 seconds."
        assert (result.errors[0].extensions or {})["code"] == "TOO_MANY_REQUESTS"
        assert (await data(auth, self.QUERY, grace, name="ada"))["user"]["username"] == "ada"


class TestNode:
    QUERY = """query ($id: ID!) { node(id: $id) {
        __typename ... on User { id username } ... on Tweet { ref }
    } }"""

    async def test_user_is_found_by_a_new_and_by_an_earlier_id(self, auth: FakeAuth) -> None:
        ada = await sign_up(auth.service)
        assert ada.user.id.version == 8
        found = {"__typename": "User", "id": str(ada.user.id), "username": "ada"}
        assert await data(auth, self.QUERY, ada, id=str(ada.user.id)) == {"node": found}
        earlier = replace(ada.user, id=uuid7(), username="early", email="early@example.com")
        await auth.unit_of_work.transaction(lambda r: r.users.add(earlier, EmailSettings()))
        found = {"__typename": "User", "id": str(earlier.id), "username": "early"}
        assert await data(auth, self.QUERY, ada, id=str(earlier.id)) == {"node": found}

    @pytest.mark.needs("tweets")
    async def test_tweet_is_referred_to_by_a_new_and_by_an_earlier_id(self, auth: FakeAuth) -> None:
        ada = await sign_up(auth.service)
        for tweet_id in (naming("Tweet", uuid7)(), uuid7()):
            found = {"__typename": "Tweet", "ref": str(tweet_id)}
            assert await data(auth, self.QUERY, ada, id=str(tweet_id)) == {"node": found}

    async def test_id_of_no_user_and_of_no_declared_type_is_null(self, auth: FakeAuth) -> None:
        ada = await sign_up(auth.service)
        for missing in (naming("User", uuid7)(), naming("Gone", uuid7)(), "nonsense"):
            query = "query ($id: ID!) { node(id: $id) { __typename } }"
            assert await data(auth, query, ada, id=str(missing)) == {"node": None}

    async def test_anonymous_caller_is_unauthenticated(self, auth: FakeAuth) -> None:
        query = f'{{ node(id: "{uuid7()}") {{ id }} }}'
        assert await code(auth, query) == "UNAUTHENTICATED"


class TestEntities:
    QUERY = """
        query ($r: [_Any!]!) { _entities(representations: $r) { ... on User { username email } } }
    """

    async def test_users_are_found_in_one_read_without_their_addresses(
        self, auth: FakeAuth
    ) -> None:
        users = [await sign_up(auth.service, name) for name in ("ada", "grace", "joan")]
        representations = [{"__typename": "User", "id": str(one.user.id)} for one in users]
        unknown = [
            {"__typename": "User", "id": "nonsense"},
            {"__typename": "User", "id": str(users[0].session.id)},
        ]
        reads = 0
        read = auth.unit_of_work.read

        async def counting(work: Any) -> Any:
            nonlocal reads
            reads += 1
            return await read(work)

        auth.unit_of_work.read = counting  # type: ignore[method-assign]
        answer = await data(auth, self.QUERY, users[0], r=representations + unknown)
        assert answer["_entities"] == [
            {"username": "ada", "email": "ada@example.com"},
            {"username": "grace", "email": None},
            {"username": "joan", "email": None},
            None,
            None,
        ]
        assert reads == 1


async def test_user_agent_of_a_device_is_cut_to_300_characters(auth: FakeAuth) -> None:
    context = AuthContext(
        principal=None,
        client_address="",
        user_agent="x" * 5000,
        service=auth.service,
        recovery=auth.recovery,
        sessions=auth.sessions,
    )
    assert context.device == Device("x" * 300, "")


SIGN_UP = 'signUp(input: {username: "x", email: "x", password: "x"})'
SIGN_IN = 'signIn(input: {login: "x", password: "x"})'
REFRESH = 'refreshSession(refreshToken: "x")'
VERIFY = 'verifyEmail(code: "x")'
RESET = 'resetPassword(input: {code: "x", newPassword: "x"})'
DELETE = 'deleteAccount(password: "x")'
REAUTHENTICATE = 'reauthenticate(password: "x")'
FORGET = 'requestPasswordReset(email: "x")'
RESTORE = 'restoreEmail(code: "x")'
REQUEST = "requestEmailVerification"
CHANGE_PASSWORD = 'changePassword(currentPassword: "x", newPassword: "x")'
CHANGE_EMAIL = 'changeEmail(newEmail: "x", password: "x")'
TOO_MANY = TooManyAttempts(timedelta(seconds=90))


class FailingService:
    """Raises `failure` in every use case."""

    def __init__(self, failure: Exception) -> None:
        self._failure = failure

    def __getattr__(self, name: str) -> Any:
        async def fail(*_: object, **__: object) -> None:
            raise self._failure

        return fail


class TestRecovery:
    @pytest.mark.parametrize(
        ("mutation", "failure"),
        [
            *((mutation, TOO_MANY) for mutation in (SIGN_UP, SIGN_IN, REFRESH)),
            *((VERIFY, failure) for failure in (InvalidCode(), EmailTaken(), TOO_MANY)),
            *((RESET, failure) for failure in (InvalidCode(), InvalidInput([]), TOO_MANY)),
            *((FORGET, failure) for failure in (InvalidInput([]), TOO_MANY)),
            *((RESTORE, failure) for failure in (InvalidCode(), EmailTaken(), TOO_MANY)),
            (REQUEST, TOO_MANY),
            *((DELETE, failure) for failure in (InvalidCredentials(), TOO_MANY)),
            *((REAUTHENTICATE, failure) for failure in (InvalidCredentials(), TOO_MANY)),
            *(
                (CHANGE_PASSWORD, failure)
                for failure in (InvalidCredentials(), InvalidInput([]), TOO_MANY)
            ),
            *(
                (CHANGE_EMAIL, failure)
                for failure in (InvalidCredentials(), InvalidInput([]), EmailTaken(), TOO_MANY)
            ),
        ],
        ids=lambda value: value.partition("(")[0] if isinstance(value, str) else repr(value),
    )
    async def test_each_failure_is_an_error_value(
        self, auth: FakeAuth, mutation: str, failure: Exception
    ) -> None:
        caller = await sign_up(auth.service)
        failing: Any = FailingService(failure)
        auth.service, auth.recovery, auth.sessions = failing, failing, failing
        query = f"mutation {{ it: {mutation} {{ __typename ... on Error {{ message }} }} }}"
        answer = (await data(auth, query, caller))["it"]
        assert answer["__typename"] == f"{type(failure).__name__}Error"
        assert answer["message"]

    async def test_request_for_a_deleted_account_is_unauthenticated(self, auth: FakeAuth) -> None:
        caller = await sign_up(auth.service)
        await auth.service.delete_account(caller.user.id, PASSWORD)
        query = f"mutation {{ {REQUEST} {{ __typename }} }}"
        assert await code(auth, query, caller) == "UNAUTHENTICATED"
