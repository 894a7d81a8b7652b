"""A browser without scripts: it keeps cookies, follows redirects, and fills forms
by the names of their fields, sending whatever hidden fields they have."""

from html.parser import HTMLParser
from urllib.parse import parse_qsl, urljoin, urlsplit

import requests

MAX_STEPS = 20


class _Forms(HTMLParser):
    """The forms of a page, each as its action, method and (name, value, type)s."""

    def __init__(self, page):
        super().__init__()
        self.forms = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        has = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append({"action": has.get("action", ""), "method": has.get("method", "get").lower(), "fields": []})
        elif tag in ("input", "button", "textarea", "select") and self.forms and has.get("name"):
            kind = has.get("type", "submit" if tag == "button" else "text").lower()
            if kind in ("checkbox", "radio") and "checked" not in has:
                return
            self.forms[-1]["fields"].append((has["name"], has.get("value", ""), kind))


class Browser:
    """home is the app's redirect URI: a walk ends there."""

    def __init__(self, home):
        self.home = home
        self.session = requests.Session()
        self.session.trust_env = False

    def walk(self, url, answers):
        """Opens url, answers each form in turn, and returns what the app is called
        back with: an address, or the fields of a form that is posted to it."""
        left = list(answers)
        page = self._go("GET", url)
        for _ in range(MAX_STEPS):
            if not isinstance(page, requests.Response):
                return page
            page = self._answer(page, left)
        raise RuntimeError(f"more than {MAX_STEPS} forms")

    def _answer(self, page, left):
        for form in _Forms(page.text).forms:
            names = {name for name, _, _ in form["fields"]}
            target = urljoin(page.url, form["action"])
            if target == self.home:  # response_mode=form_post
                return {name: value for name, value, kind in form["fields"] if kind == "hidden"}
            if "enter" in names:
                return self._submit(target, form, {}, "enter")
            for fields in left:
                if set(fields) <= names:
                    left.remove(fields)
                    return self._submit(target, form, fields, None)
        raise RuntimeError(f"no form to fill at {page.url} (status {page.status_code}): {page.text}")

    def _submit(self, target, form, filled, pressed):
        values = [(name, value) for name, value, kind in form["fields"] if kind != "submit" and name not in filled]
        values += [(name, value) for name, value, kind in form["fields"] if kind == "submit" and name == pressed]
        values += list(filled.items())
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(target))
        return self._go(form["method"].upper(), target, data=values, headers={"Origin": origin})

    def _go(self, method, url, **more):
        """Follows redirects, and returns the page, or the address at the app."""
        for _ in range(MAX_STEPS):
            if url.split("?")[0] == self.home.split("?")[0]:
                return url
            answer = self.session.request(method, url, allow_redirects=False, timeout=60, **more)
            if not answer.is_redirect:
                return answer
            method, url, more = "GET", urljoin(url, answer.headers["Location"]), {}
        raise RuntimeError(f"more than {MAX_STEPS} redirects, the last to {url}")


def query(url):
    """The parameters of an address, of which none is there twice."""
    pairs = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    if len(pairs) != len(dict(pairs)):
        raise RuntimeError(f"a parameter twice: {pairs}")
    return dict(pairs)
