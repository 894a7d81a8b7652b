// The owner's page works whole without this file. It adds copying, the reader's
// own days, and a page that follows what happens, or says that it does not.
"use strict";
(() => {
  const one = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const clockTime = (at) => new Date(at).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });

  // What a screen reader should say, and only that: the parts themselves are
  // not live regions, or every small change would be read out whole.
  const voice = one("[data-say]");
  const say = (text) => { if (voice) voice.textContent = text; };

  // Copying. Without the script the buttons stay hidden.
  const copied = () => {
    const secret = one("#secret").textContent;
    const email = one("#secret-email");
    return email ? "Email: " + email.textContent + "\nPassword: " + secret : secret.replace(/\s/g, "");
  };
  for (const button of all("[data-copy]")) {
    const words = button.textContent;
    button.hidden = false;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(copied());
        button.textContent = button.dataset.done;
        setTimeout(() => { button.textContent = words; }, 4000);
      } catch {
        getSelection().selectAllChildren(one("#secret"));
        button.textContent = "Copy what is marked";
      }
      say(button.textContent);
    });
  }

  // The server cuts the record into days of UTC; the reader lives elsewhere.
  const regroup = (record) => {
    if (!record) return;
    const now = new Date(record.dataset.now);
    const before = new Date(now);
    before.setDate(now.getDate() - 1);
    const heading = (at) => {
      if (at.toDateString() === now.toDateString()) return "Today";
      if (at.toDateString() === before.toDateString()) return "Yesterday";
      const year = at.getFullYear() === now.getFullYear() ? {} : { year: "numeric" };
      return at.toLocaleDateString("en-GB", { weekday: "long", day: "numeric", month: "long", ...year });
    };
    const days = new Map();
    for (const entry of all("li", record)) {
      const time = one("time", entry);
      const at = new Date(time.dateTime);
      time.title = at.toLocaleString("en-GB");
      time.textContent = clockTime(at);
      const day = heading(at);
      if (!days.has(day)) days.set(day, document.createElement("ol"));
      days.get(day).append(entry);
    }
    record.replaceChildren();
    for (const [day, list] of days) {
      if (days.size > 1 || day !== "Today") {
        const title = document.createElement("h3");
        title.textContent = day;
        record.append(title);
      }
      record.append(list);
    }
    one("[data-zone]").hidden = true;
  };
  regroup(one(".record"));

  // Clocks are told at five minutes, at one and at the end, not each second.
  const told = new Map();
  const steps = [[0, "no time left."], [60e3, "1 minute left."], [300e3, "5 minutes left."]];
  const tellClocks = () => {
    for (const el of all("[data-clock]")) {
      const ms = valetkey.left(el, el.dataset.left);
      const at = steps.findIndex(([limit]) => ms <= limit);
      const key = el.dataset.clock + el.dataset.left;
      if (at >= 0 && told.has(key) && told.get(key) !== at) say(el.dataset.clock + " " + steps[at][1]);
      told.set(key, at);
    }
    for (const bar of all("[data-bar]")) {
      const seconds = valetkey.left(bar, bar.dataset.bar) / 1000;
      bar.value = Math.max(0, seconds);
      if (seconds <= 0) spend();
    }
  };
  const spend = () => one("[data-minted]")?.classList.add("spent");
  tellClocks();
  setInterval(tellClocks, 1000);

  if (!voice) return;

  let known = Date.now(); // what is shown was so then
  let signedOut = false;
  let asking = false;
  let pressed = 0; // when a press began; one that ends outside the window is never told
  addEventListener("pointerdown", () => { pressed = Date.now(); }, true);
  for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => { pressed = 0; }, true);

  const line = () => one("[data-line]");
  const title = document.title;
  let said = line().textContent;

  // What is no longer known to be so must not look as if it were.
  const doubt = (notice) => {
    notice.hidden = false;
    line().dataset.at = "At " + clockTime(known) + ": ";
    line().closest("[data-part]").classList.add("stale");
    document.title = "Not up to date · " + title;
  };
  const trust = () => {
    known = asked;
    one("[data-stale]").hidden = true;
    line().removeAttribute("data-at");
    line().closest("[data-part]").classList.remove("stale");
    document.title = title.replace(said, () => line().textContent);
  };

  const swap = (old, part) => {
    const key = old.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
    const held = old.contains(document.activeElement);
    old.replaceWith(part);
    regroup(one(".record", part));
    if (!held) return;
    const again = all("[data-key]", part).find((el) => el.dataset.key === key) ?? line();
    if (again === line()) again.tabIndex = -1;
    again.focus({ preventScroll: true });
  };

  // A press or a form on its way must find the page as it was.
  const show = (text) => {
    const fresh = new DOMParser().parseFromString(text, "text/html");
    const parts = all("[data-part]", fresh);
    if (parts.length < 3) return false;
    const changed = parts.map((part) => [one('[data-part="' + part.dataset.part + '"]'), part])
      .filter(([old, part]) => old.dataset.version !== part.dataset.version);
    if (changed.length && (Date.now() - pressed < 5000 || one("form[data-sent]"))) return false;
    const before = line().textContent;
    for (const [old, part] of changed) swap(old, part);
    valetkey.refresh();
    if (changed.some(([, part]) => part.dataset.part === "state")) one("[data-notice]")?.remove();
    if (line().textContent !== before) say(line().textContent);
    const minted = one("[data-minted]");
    // What ran out was not used: at its end the clock alone tells.
    const bar = minted && one("[data-bar]", minted);
    const ran = bar && valetkey.left(bar, bar.dataset.bar) < 2000;
    if (minted && !ran && !all("[data-part=open] input[name=credential]").some((i) => i.value === minted.dataset.minted)) {
      spend();
      one("[data-gone]").hidden = false;
      one(".clock", minted).hidden = true;
    }
    return true;
  };

  let asked = known;
  const look = async () => {
    if (signedOut || asking || document.hidden) return;
    asking = true;
    asked = Date.now();
    try {
      const reply = await fetch(voice.dataset.live, { cache: "no-store", redirect: "manual", signal: AbortSignal.timeout(8000) });
      if (reply.status === 401 || reply.type === "opaqueredirect") {
        signedOut = true;
        one("[data-stale]").hidden = true;
        doubt(one("[data-signed-out]"));
      } else if (reply.ok && show(await reply.text())) trust();
    } catch {
      // Told below, once it has lasted.
    } finally {
      asking = false;
    }
  };
  setInterval(look, 3000);
  setInterval(() => {
    if (!signedOut && !document.hidden && Date.now() - known > 15000) doubt(one("[data-stale]"));
    one("[data-since]").textContent = clockTime(known);
  }, 1000);
  document.addEventListener("visibilitychange", look);
  addEventListener("pageshow", look);
})();
