// A browser without scripts: it keeps cookies, follows redirects, and fills
// forms by the names of their fields, sending whatever hidden fields they have.

import { parse } from 'node-html-parser';

const MAX_STEPS = 20;

export class Browser {
  #cookies = new Map();
  #home;

  // home is the app's redirect URI: a walk ends there.
  constructor(home) {
    this.#home = home;
  }

  // walk opens url and answers each form in turn until the app is called back, or
  // home is reached. Where a page has a button named enter, it is pressed.
  async walk(url, answers, home = this.#home) {
    this.#home = home;
    const left = [...answers];
    let page = await this.#go(url);
    for (let step = 0; page && step < MAX_STEPS; step++) {
      page = await this.#answer(page, left);
    }
    if (page) throw new Error(`still at ${page.url} after ${MAX_STEPS} forms`);
  }

  async #answer(page, left) {
    for (const form of page.root.querySelectorAll('form')) {
      if (form.getAttribute('action') === this.#home) return this.#submit(page.url, form, {}); // response_mode=form_post
      const named = new Set(form.querySelectorAll('[name]').map((field) => field.getAttribute('name')));
      const fields = named.has('enter') ? {} : left.find((one) => Object.keys(one).every((name) => named.has(name)));
      if (!fields) continue;
      if (!named.has('enter')) left.splice(left.indexOf(fields), 1);
      return this.#submit(page.url, form, fields);
    }
    throw new Error(`no form to fill at ${page.url} (status ${page.status}): ${page.root.textContent.replace(/\s+/g, ' ')}`);
  }

  #submit(base, form, fields) {
    const values = new URLSearchParams();
    let pressed = false;
    for (const field of form.querySelectorAll('input, textarea, select, button')) {
      const name = field.getAttribute('name');
      const type = (field.getAttribute('type') ?? '').toLowerCase();
      const button = field.tagName === 'BUTTON' ? type !== 'button' : type === 'submit';
      if (!name || name in fields) continue;
      if (button) {
        // Enter presses the first button, unless one is named so.
        const wanted = form.querySelector('[name=enter]') ? name === 'enter' : !pressed;
        if (wanted) values.append(name, field.getAttribute('value') ?? '');
        pressed = true;
        continue;
      }
      if ((type === 'checkbox' || type === 'radio') && field.getAttribute('checked') === undefined) continue;
      values.append(name, field.getAttribute('value') ?? '');
    }
    for (const [name, value] of Object.entries(fields)) values.append(name, value);
    const action = new URL(form.getAttribute('action') ?? '', base);
    if ((form.getAttribute('method') ?? 'get').toLowerCase() === 'get') {
      action.search = values;
      return this.#go(action);
    }
    return this.#go(action, { method: 'POST', body: values, headers: { origin: action.origin } });
  }

  // #go follows redirects and returns the page, or nothing at the app.
  async #go(url, request = {}) {
    let target = new URL(url);
    for (let step = 0; step < MAX_STEPS; step++) {
      const home = target.href === this.#home || target.href.startsWith(`${this.#home}?`);
      const response = await fetch(target, {
        ...request,
        redirect: 'manual',
        headers: { ...request.headers, ...(home ? {} : { cookie: this.#cookieHeader() }) },
      });
      if (home) return undefined;
      this.#remember(response);
      const location = response.headers.get('location');
      if (!location || response.status < 300 || response.status > 399) {
        return { url: target, status: response.status, root: parse(await response.text()) };
      }
      target = new URL(location, target);
      request = {};
    }
    throw new Error(`more than ${MAX_STEPS} redirects, the last to ${target}`);
  }

  #cookieHeader() {
    return [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  }

  #remember(response) {
    for (const line of response.headers.getSetCookie()) {
      const [pair, ...attributes] = line.split(';').map((part) => part.trim());
      const at = pair.indexOf('=');
      const gone = attributes.some((one) => /^max-age=(0|-\d+)$/i.test(one));
      if (gone) this.#cookies.delete(pair.slice(0, at));
      else this.#cookies.set(pair.slice(0, at), pair.slice(at + 1));
    }
  }
}
