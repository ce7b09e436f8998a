"""Accounts: who there is. They are made and disabled on the command line; the own password is changed here.

Layer      web.
Tests      tests/unit/web/test_accounts.py
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from pump_ctrl.errors import InvalidInput, NotAllowed
from pump_ctrl.web.house import house, page, posted, session, spend


def listed(request: Request) -> Response:
    """Everybody."""
    session(request)
    return page(request, "accounts.html", accounts=house(request).clinic.accounts.all(), failed="")


def passwd(request: Request, form: dict[str, str]) -> Response:
    """Change the own password; every session of the account ends."""
    name = session(request).account.name
    accounts = house(request).clinic.accounts
    try:
        spend(request, form, "password")
        if form.get("new", "") != form.get("again", ""):
            raise NotAllowed(
                "The two new passwords differ.", code="passwords-differ", do_now="Type them again."
            )
        accounts.authenticate(name, form.get("password", ""))
        accounts.passwd(name, form.get("new", ""), name)
    except (NotAllowed, InvalidInput) as error:
        return page(
            request, "accounts.html", code=403, accounts=accounts.all(), failed=f"Not changed. {error}"
        )
    house(request).lately.clear()
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(house(request).settings.cookie, httponly=True, samesite="strict", path="/")
    return answer


ROUTES = (Route("/accounts", listed), Route("/accounts", posted(passwd), methods=["POST"]))
