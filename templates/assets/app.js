// Niceties only: every page works whole without this file.
"use strict";
(() => {
  const all = (selector) => document.querySelectorAll(selector);
  const pad = (n) => String(n).padStart(2, "0");

  // The reader's clock may be wrong. The server sends its own time along, and
  // only the distance between the two is used, from when it came.
  const came = new WeakMap();
  const left = (el, ends) => {
    if (!came.has(el)) came.set(el, Date.now());
    return Date.parse(ends) - Date.parse(el.dataset.now) - (Date.now() - came.get(el));
  };

  const words = (ms) => {
    const s = Math.max(0, Math.ceil(ms / 1000));
    const h = Math.floor(s / 3600);
    if (h >= 24) return Math.floor(h / 24) + (h < 48 ? " day " : " days ") + (h % 24) + " h";
    const m = Math.floor(s / 60) % 60;
    return (h ? h + ":" + pad(m) : m) + ":" + pad(s % 60);
  };

  const tellLocalTime = (el) => {
    const at = new Date(el.dateTime);
    const today = new Date(Date.parse(el.dataset.now)).toDateString() === at.toDateString();
    const day = today ? {} : { day: "numeric", month: "long" };
    el.title = el.textContent;
    const second = "second" in el.dataset ? { second: "2-digit" } : {};
    el.textContent = at.toLocaleString("en-GB", { hour: "2-digit", minute: "2-digit", ...second, ...day });
    el.removeAttribute("data-local");
  };

  const refresh = () => {
    all("time[data-local]").forEach(tellLocalTime);
    for (const el of all("[data-left]")) {
      const ms = left(el, el.dataset.left);
      const text = words(ms);
      if (el.textContent !== text) el.textContent = text;
      const over = el.closest(".clock")?.querySelector("[data-over]");
      if (ms <= 0 && over && !over.textContent) over.textContent = over.dataset.over;
    }
    for (const el of all("fieldset[data-opens]")) {
      if (left(el, el.dataset.opens) > 0) continue;
      el.disabled = false;
      el.removeAttribute("data-opens");
      const pause = el.form.querySelector("[data-pause]");
      if (pause) pause.textContent = "You can try again now.";
    }
  };
  refresh();
  setInterval(refresh, 500);

  // Six digits read better in two groups. Nothing moves while the cursor is
  // inside the number, and the server ignores the space.
  document.getElementById("pin")?.addEventListener("input", (event) => {
    const input = event.target;
    if (input.selectionStart !== input.value.length) return;
    const digits = input.value.replace(/[\s-]/g, "");
    if (!/^\d{4,}$/.test(digits)) return;
    input.value = digits.length === 6 ? digits.slice(0, 3) + " " + digits.slice(3) : digits;
  });
  document.getElementById("code")?.addEventListener("input", (event) => {
    const bare = event.target.value.replace(/[\s-]/g, "");
    if (bare !== event.target.value) event.target.value = bare;
  });

  // A second click must not send a form twice. The button is not disabled: a
  // disabled one would drop its own name and value from what is sent.
  const release = (form) => {
    delete form.dataset.sent;
    form.querySelectorAll("[aria-disabled]").forEach((b) => b.removeAttribute("aria-disabled"));
  };
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("form[data-once]")) return;
    if (form.dataset.sent) return event.preventDefault();
    form.dataset.sent = "1";
    form.querySelectorAll("button").forEach((b) => b.setAttribute("aria-disabled", "true"));
    setTimeout(release, 8000, form);
  });
  addEventListener("pageshow", () => all("form[data-sent]").forEach(release));

  window.valetkey = { left, refresh };
})();
