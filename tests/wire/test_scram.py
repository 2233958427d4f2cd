"""The exchange of RFC 7677 to the byte, and everything that must break it."""

import hashlib
import hmac
from base64 import b64decode, b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfos.wire import scram
from sfos.wire.passwords import UnusablePassword

BINDING = bytes(range(32))
OTHER_BINDING = bytes(range(1, 33))
BOUNDS = (1, 5_000_000)
SALT = b"0123456789abcdef"
VERIFIER = scram.make_verifier("pencil", SALT, 7)  # few iterations: the number is not what these tests are about
SECRET = b"s" * 32


def client(password: str | None = "pencil", binding: bytes = BINDING, **options: Any) -> scram.ClientExchange:
    return scram.ClientExchange("user", password, binding, **{"iteration_bounds": BOUNDS, **options})


def sign_in(client: scram.ClientExchange, server: scram.ServerExchange, verifier: scram.Verifier = VERIFIER) -> None:
    assert server.read_first(client.first()) == "user"
    client.verify(server.finish(client.final(server.reply(verifier))))


# RFC 7677 section 3.
RFC_CLIENT_NONCE = "rOprNGfwEbeRWgbNEkqO"
RFC_SERVER_NONCE = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
RFC_SALT = b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
RFC_CLIENT_FIRST = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
RFC_SERVER_FIRST = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
RFC_CLIENT_FINAL = (
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
)
RFC_SERVER_FINAL = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def rfc_client() -> scram.ClientExchange:
    return client(binding=b"", nonce=RFC_CLIENT_NONCE, gs2_header="n,,")


def rfc_server() -> scram.ServerExchange:
    return scram.ServerExchange(b"", nonce=RFC_SERVER_NONCE, gs2_header="n,,")


def test_the_client_says_what_rfc_7677_says() -> None:
    exchange = rfc_client()
    assert exchange.first() == RFC_CLIENT_FIRST
    assert exchange.final(RFC_SERVER_FIRST) == RFC_CLIENT_FINAL
    exchange.verify(RFC_SERVER_FINAL)


def test_the_server_says_what_rfc_7677_says() -> None:
    exchange = rfc_server()
    assert exchange.read_first(RFC_CLIENT_FIRST) == "user"
    assert exchange.reply(scram.make_verifier("pencil", RFC_SALT, 4096)) == RFC_SERVER_FIRST
    assert exchange.finish(RFC_CLIENT_FINAL) == RFC_SERVER_FINAL


def test_the_client_refuses_the_4096_iterations_of_the_rfc_by_default() -> None:
    exchange = scram.ClientExchange("user", "pencil", b"", nonce=RFC_CLIENT_NONCE, gs2_header="n,,")
    with pytest.raises(scram.IterationsRefused):
        exchange.final(RFC_SERVER_FIRST)


def test_a_verifier_is_computed_as_rfc_5802_defines_it() -> None:
    salted = hashlib.pbkdf2_hmac("sha256", b"pencil", RFC_SALT, 4096)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    assert scram.make_verifier("pencil", RFC_SALT, 4096) == scram.Verifier(4096, RFC_SALT, stored, server)


def test_a_verifier_is_written_as_postgresql_writes_it_and_read_back() -> None:
    text = scram.make_verifier("pencil", RFC_SALT, 4096).format()
    assert text.startswith("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:")
    assert text.endswith(":wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=")
    assert scram.Verifier.parse(text) == scram.make_verifier("pencil", RFC_SALT, 4096)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "md5abc",
        VERIFIER.format() + "\n",
        VERIFIER.format().replace("$7:", "$0:"),
        VERIFIER.format().replace("$7:", "$+7:"),
        VERIFIER.format().replace("=", ""),
        "SCRAM-SHA-256$7:" + b64encode(b"short").decode() + "$" + VERIFIER.format().split("$")[2],
        "SCRAM-SHA-256$7:" + b64encode(SALT).decode() + "$" + "AAAA:AAAA",
    ],
)
def test_a_damaged_verifier_is_refused(text: str) -> None:
    with pytest.raises(scram.MalformedExchange):
        scram.Verifier.parse(text)


def test_no_key_shows_in_what_python_prints() -> None:
    salted = scram.salt_password("pencil", SALT, 1)
    assert "key=" not in repr(VERIFIER).replace("_", "") and repr(salted.key) not in repr(salted)


# --- Signing in ---------------------------------------------------------------------------------------------------


def test_the_right_password_over_the_same_tls_session_signs_in() -> None:
    sign_in(client(), scram.ServerExchange(BINDING))


def test_the_client_demands_its_binding_in_the_first_message() -> None:
    assert client(nonce="c" * 20).first() == "p=tls-exporter,,n=user,r=" + "c" * 20


def test_nonces_are_new_each_time() -> None:
    assert len({client().first() for _ in range(100)}) == 100
    firsts = set()
    for _ in range(100):
        server = scram.ServerExchange(BINDING)
        server.read_first(client(nonce="c" * 20).first())
        firsts.add(server.reply(VERIFIER))
    assert len(firsts) == 100


def test_a_wrong_password_gives_wrong_proof() -> None:
    with pytest.raises(scram.WrongProof):
        sign_in(client("pencils"), scram.ServerExchange(BINDING))


def test_a_proof_bound_to_another_tls_session_is_refused() -> None:
    with pytest.raises(scram.BindingRefused):
        sign_in(client(binding=OTHER_BINDING), scram.ServerExchange(BINDING))


def test_a_relay_that_rewrites_the_binding_breaks_the_proof() -> None:
    exchange, server = client(binding=OTHER_BINDING), scram.ServerExchange(BINDING)
    server.read_first(exchange.first())
    final = exchange.final(server.reply(VERIFIER))
    theirs, ours = (b64encode(b"p=tls-exporter,," + binding).decode() for binding in (OTHER_BINDING, BINDING))
    assert theirs in final
    with pytest.raises(scram.WrongProof):
        server.finish(final.replace(theirs, ours))


@pytest.mark.parametrize(
    "header",
    ["n,,", "y,,", "p=tls-unique,,", "p=tls-server-end-point,,", "p=tls-exporter,a=root,", "", "P=tls-exporter,,"],
)
def test_the_server_accepts_no_other_binding(header: str) -> None:
    with pytest.raises(scram.BindingRefused):
        scram.ServerExchange(BINDING).read_first(f"{header}n=user,r={'c' * 20}")


@pytest.mark.parametrize("header", ["n,,", "y,,"])
def test_an_unbound_final_message_is_refused(header: str) -> None:
    server = scram.ServerExchange(BINDING)
    server.read_first("p=tls-exporter,,n=user,r=" + "c" * 20)
    nonce = server.reply(VERIFIER).split(",")[0]
    with pytest.raises(scram.BindingRefused):
        server.finish(f"c={b64encode(header.encode()).decode()},{nonce},p={b64encode(b'x' * 32).decode()}")


@pytest.mark.parametrize("iterations", [1, 4096, 599_999, 5_000_001, 2_147_483_647])
def test_the_client_refuses_too_little_and_too_much_work_before_doing_it(iterations: int) -> None:
    exchange = scram.ClientExchange("user", "pencil", BINDING, nonce="c" * 20)
    with pytest.raises(scram.IterationsRefused):
        exchange.final(f"r={'c' * 20}{'s' * 20},s={b64encode(SALT).decode()},i={iterations}")


def test_the_least_work_that_a_client_accepts_is_600000() -> None:
    verifier = scram.make_verifier("pencil", SALT, 600_000)
    exchange, server = scram.ClientExchange("user", "pencil", BINDING), scram.ServerExchange(BINDING)
    sign_in(exchange, server, verifier)


def test_a_server_without_the_verifier_is_unmasked() -> None:
    exchange = client()
    impostor = scram.ServerExchange(BINDING)
    impostor.read_first(exchange.first())
    exchange.final(impostor.reply(VERIFIER))
    with pytest.raises(scram.ServerNotProven):
        exchange.verify(f"v={b64encode(b'x' * 32).decode()}")
    with pytest.raises(scram.ExchangeMisused):
        _ = exchange.salted_password


def test_an_error_message_of_the_server_is_a_wrong_proof() -> None:
    exchange = client(nonce="c" * 20)
    exchange.final(f"r={'c' * 20}{'s' * 20},s={b64encode(SALT).decode()},i=7")
    with pytest.raises(scram.WrongProof):
        exchange.verify("e=invalid-proof")


@pytest.mark.parametrize(
    "server_first",
    [
        "r=" + "x" * 40 + ",s=MDEyMzQ1Njc4OWFiY2RlZg==,i=7",  # not our nonce
        "r=" + "c" * 20 + ",s=MDEyMzQ1Njc4OWFiY2RlZg==,i=7",  # nothing added to it
        "m=ext,r=" + "c" * 40 + ",s=MDEyMzQ1Njc4OWFiY2RlZg==,i=7",  # a mandatory extension
        "r=" + "c" * 40 + ",s=MDEyMzQ1Njc4OWFiY2RlZg,i=7",
        "r=" + "c" * 40 + ",s=MDEyMzQ1Njc4OWFiY2RlZg==,i=-7",
        "r=" + "c" * 40 + ",s=MDEyMzQ1Njc4OWFiY2RlZg==,i=07",
        "r=" + "c" * 40 + ",s=MDEyMzQ1Njc4OWFiY2RlZg==",
        "r=" + "c" * 5000 + ",s=MDEyMzQ1Njc4OWFiY2RlZg==,i=7",
        "",
        "r",
        ",,,",
        "r=\ud800" + "c" * 40 + ",s=MDEyMzQ1Njc4OWFiY2RlZg==,i=7",
    ],
)
def test_a_malformed_server_first_message_is_refused(server_first: str) -> None:
    with pytest.raises(scram.MalformedExchange):
        client(nonce="c" * 20).final(server_first)


def test_a_wrong_nonce_in_the_final_message_is_refused() -> None:
    exchange, server = client(), scram.ServerExchange(BINDING, nonce="s" * 20)
    server.read_first(exchange.first())
    final = exchange.final(server.reply(VERIFIER))
    with pytest.raises(scram.MalformedExchange):
        server.finish(final.replace("s" * 20, "t" * 20))


def test_one_exchange_allows_one_guess() -> None:
    exchange, server = client("wrong password"), scram.ServerExchange(BINDING)
    server.read_first(exchange.first())
    final = exchange.final(server.reply(VERIFIER))
    with pytest.raises(scram.WrongProof):
        server.finish(final)
    with pytest.raises(scram.ExchangeMisused):
        server.finish(final)


def test_steps_out_of_turn_are_refused() -> None:
    with pytest.raises(scram.ExchangeMisused):
        client().verify("v=AAAA")
    with pytest.raises(scram.ExchangeMisused):
        scram.ServerExchange(BINDING).reply(VERIFIER)
    with pytest.raises(scram.ExchangeMisused):
        scram.ServerExchange(BINDING).finish("c=AAAA,r=x,p=AAAA")
    server = scram.ServerExchange(BINDING)
    server.read_first(client().first())
    with pytest.raises(scram.ExchangeMisused):
        server.read_first(client().first())
    with pytest.raises(scram.ExchangeMisused):
        scram.ClientExchange("user", None, BINDING)


@pytest.mark.parametrize("user", ["a,b", "a=b", "=2C", "a=3Db", "ünïcode"])
def test_every_user_name_arrives_as_it_was(user: str) -> None:
    exchange = scram.ClientExchange(user, "pencil", BINDING)
    assert scram.ServerExchange(BINDING).read_first(exchange.first()) == user


@pytest.mark.parametrize("name", ["a=2c", "a=", "a=2"])
def test_an_unknown_escape_in_a_user_name_is_refused(name: str) -> None:
    with pytest.raises(scram.MalformedExchange):
        scram.ServerExchange(BINDING).read_first(f"p=tls-exporter,,n={name},r={'c' * 20}")


@given(st.text(max_size=200))
def test_no_text_gets_more_than_a_typed_error_out_of_the_server(text: str) -> None:
    with pytest.raises(scram.ScramError):
        scram.ServerExchange(BINDING).read_first("p=tls-exporter,," + text)
    server = scram.ServerExchange(BINDING)
    server.read_first(client().first())
    server.reply(VERIFIER)
    with pytest.raises(scram.ScramError):
        server.finish(text)


@given(st.text(alphabet="rsi=,0Az+/", max_size=120))
def test_no_text_gets_more_than_a_typed_error_out_of_the_client(text: str) -> None:
    with pytest.raises(scram.ScramError):
        client(nonce="r" * 16).final(text)


# --- Keeping what PBKDF2 made -------------------------------------------------------------------------------------


def test_a_cached_salted_password_signs_in_without_the_password() -> None:
    first = client()
    sign_in(first, scram.ServerExchange(BINDING))
    sign_in(client(None, OTHER_BINDING, salted=first.salted_password), scram.ServerExchange(OTHER_BINDING))


def test_a_stale_salted_password_says_so_or_falls_back_on_the_password() -> None:
    stale = scram.salt_password("pencil", b"another salt ...", 7)
    with pytest.raises(scram.StaleSaltedPassword):
        sign_in(client(None, salted=stale), scram.ServerExchange(BINDING))
    sign_in(client(salted=stale), scram.ServerExchange(BINDING))


def test_a_cached_salted_password_does_not_lower_the_iterations_demanded() -> None:
    salted = scram.salt_password("pencil", SALT, 7)
    exchange = scram.ClientExchange("user", None, BINDING, salted=salted)
    server = scram.ServerExchange(BINDING)
    server.read_first(exchange.first())
    with pytest.raises(scram.IterationsRefused):
        exchange.final(server.reply(VERIFIER))


# --- Users who do not exist ---------------------------------------------------------------------------------------


def test_an_unknown_user_gets_the_same_salt_each_time_and_another_than_others() -> None:
    mock = scram.mock_verifier(SECRET, "nobody", 600_000)
    assert mock == scram.mock_verifier(SECRET, "nobody", 600_000)
    assert mock.salt != scram.mock_verifier(SECRET, "nobody2", 600_000).salt
    assert mock.salt != scram.mock_verifier(b"t" * 32, "nobody", 600_000).salt
    assert len(mock.salt) == scram.SALT_BYTES


def test_an_unknown_user_fails_where_and_as_a_wrong_password_fails() -> None:
    with pytest.raises(scram.WrongProof) as unknown:
        sign_in(client(), scram.ServerExchange(BINDING), scram.mock_verifier(SECRET, "user", 7))
    with pytest.raises(scram.WrongProof) as wrong:
        sign_in(client("wrong"), scram.ServerExchange(BINDING))
    assert str(unknown.value) == str(wrong.value)


# --- Passwords in other spellings ---------------------------------------------------------------------------------


def test_two_spellings_of_one_password_are_the_same_password() -> None:
    verifier = scram.make_verifier("na\u00efve caf\u00e9", SALT, 7)
    sign_in(client("nai\u0308ve\u00a0cafe\u0301"), scram.ServerExchange(BINDING), verifier)
    assert scram.check_password_against("nai\u0308ve\u00a0cafe\u0301", verifier)
    assert not scram.check_password_against("naive cafe", verifier)


def test_a_password_that_cannot_be_prepared_makes_no_verifier() -> None:
    with pytest.raises(UnusablePassword):
        scram.make_verifier("bell\u0007", SALT, 7)
