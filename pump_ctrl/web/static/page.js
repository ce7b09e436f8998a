// What the pages do beyond plain forms: live checks while somebody types, fields that a choice hides, the status of a
// pump twice a second, STOP without leaving the page. Everything works without it; it decides nothing.
"use strict";

const WAIT_MS = 150;
const MOST_BYTES = 200000; // of a form; the server hangs up on more, and what was typed would be gone
const STATUS_MS = 500; // with the server's half second, what happens is here within one
const LIST_MS = 1000;
const SILENT_MS = 3000; // from here on what stands on the page is old
const STOPS_MS = 5000;
const STOP_PATIENCE_MS = 20000;
const STOPS_AT_ONCE = 2; // of one pump; a browser has six lines to a server, and the STOP of another pump needs one
const BY_HAND = "Stop the pump by hand, or in a terminal: pump-ctrl stop";

function showByChoice(form) {
  for (const part of form.querySelectorAll("[data-when]")) {
    const [name, values] = part.dataset.when.split("=");
    const choice = form.elements.namedItem(name);
    part.hidden = choice !== null && !values.split("|").includes(choice.value);
  }
}

function showBeside(form, beside) {
  for (const place of form.querySelectorAll("[data-beside]")) {
    const told = beside[place.dataset.beside] || { level: "blocked", text: "" };
    if (place.textContent !== told.text) place.textContent = told.text;
    place.className = `beside ${told.level}`;
    place.hidden = told.text === "";
    const field = document.getElementById(place.dataset.beside);
    if (field !== null && field.matches("input, select")) {
      if (told.text && told.level === "blocked") field.setAttribute("aria-invalid", "true");
      else field.removeAttribute("aria-invalid");
    }
  }
}

function liveCheck(form) {
  const panel = document.getElementById("panel");
  const fluid = document.getElementById("fluid");
  let timer = 0;
  let asked = 0;
  const refused = async (answer) => {
    const told = answer.headers.get("Content-Type") || "";
    const said = told.includes("json") ? (await answer.json()).said : told.includes("text/plain") ? await answer.text() : "Not checked.";
    panel.textContent = `${said} What you typed still stands here.`;
  };
  const tooMuch = () => {
    const found = new URLSearchParams(new FormData(form)).toString().length > MOST_BYTES;
    if (found) panel.textContent = `✖ More was typed than a form may hold, ${MOST_BYTES} bytes. Nothing was sent, and what you typed still stands here.`;
    return found;
  };
  const check = async () => {
    const mine = ++asked;
    if (tooMuch()) return;
    const answer = await fetch(form.dataset.check, { method: "POST", body: new URLSearchParams(new FormData(form)) });
    if (mine !== asked) return;
    if (!answer.ok) {
      await refused(answer);
      return;
    }
    const found = await answer.json();
    if (mine !== asked) return;
    showBeside(form, found.beside);
    panel.innerHTML = found.panel;
    if (fluid !== null) {
      fluid.textContent = found.fluid;
      fluid.hidden = found.fluid === "";
    }
  };
  const later = () => {
    showByChoice(form);
    clearTimeout(timer);
    timer = setTimeout(() => check().catch(() => {
      panel.textContent = "Not checked: the page's server does not answer. What you typed still stands here.";
    }), WAIT_MS);
  };
  form.addEventListener("submit", (event) => { if (tooMuch()) event.preventDefault(); });
  form.addEventListener("input", later);
  form.addEventListener("change", later);
  showByChoice(form);
}

// A page that came back with an error begins there; an address with a field in it, such as one that is wrong, at the field.
function focusFirst() {
  const failed = document.getElementById("failed");
  const named = location.hash ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null;
  const place = failed || named;
  if (place !== null) place.focus();
}

// Changes the text only if it is another one: a screen reader says what changes, and nothing else.
function put(element, text) {
  if (element !== null && element.textContent !== text) element.textContent = text;
}

function age(ms) {
  return `${Math.floor(ms / 1000)} s`;
}

// While a computer sleeps the one clock may stand still, and the other may be set back: the longer time counts.
function instant() {
  return [performance.now(), Date.now()];
}

function since([ran, was]) {
  return Math.max(performance.now() - ran, Date.now() - was);
}

// Again and again, and as soon as somebody looks again at a page that was in the background.
function keepTelling(tell) {
  setInterval(tell, STATUS_MS / 2);
  addEventListener("visibilitychange", tell);
  addEventListener("pageshow", tell);
}

function follow(place) {
  let heardAt = instant(); // of the page's server
  let lost = "";
  const read = () => document.getElementById("now");
  const aged = () => Number(read().dataset.ageMs) + since(heardAt);

  const tell = () => {
    const late = since(heardAt) >= SILENT_MS;
    const silent = late || "silent" in read().dataset;
    place.classList.toggle("silent", silent);
    if (late) {
      put(place.querySelector(".age"), `✖ ${lost || "The page's server does not answer."} The controller and its pump do not depend on this page. What stands here is ${age(aged())} old.`);
      put(document.getElementById("say-state"), "This page does not follow the pump any more.");
    } else {
      if (!silent) put(place.querySelector(".age"), `Heard ${age(aged())} ago.`);
      put(document.getElementById("say-state"), read().dataset.state);
      put(document.getElementById("say-alarms"), read().dataset.alarms);
    }
  };

  const show = (html) => {
    const fresh = document.createElement("template");
    fresh.innerHTML = html;
    const [now, then] = [fresh.content.getElementById("now"), read()];
    const [facts, old] = [now.querySelector(".facts"), then.querySelector(".facts")];
    if (facts !== null && old !== null && facts.innerHTML === old.innerHTML) facts.replaceWith(old); // what is marked stays marked
    then.replaceWith(now);
    heardAt = instant();
    const asks = document.querySelector("[data-asks].asks");
    expect(now);
    document.getElementById("changed").hidden = asks === null || asks.dataset.asks === now.dataset.asks;
  };

  const next = async () => {
    const began = performance.now();
    try {
      const answer = await fetch(place.dataset.follow, { signal: AbortSignal.timeout(SILENT_MS - STATUS_MS) });
      if (answer.status === 200) show(await answer.text());
      lost = answer.status === 401 ? "You were logged out." : answer.status === 404 ? "There is no such controller any more." : "";
    } catch {
      lost = "";
    }
    tell();
    setTimeout(next, Math.max(0, STATUS_MS - (performance.now() - began)));
  };

  tell();
  keepTelling(tell);
  setTimeout(next, STATUS_MS);
}

// The list of pumps, once a second. Where the pumps are the same the cells change only: whoever stands on a link stays there.
function followList(place) {
  const said = document.getElementById("list-age");
  let heardAt = instant();
  let lost = "";

  const tell = () => {
    const late = since(heardAt) >= SILENT_MS;
    place.classList.toggle("silent", late);
    said.classList.toggle("problem", late);
    put(said, late ? `✖ ${lost || "The page's server does not answer."} This list is old and does not follow the pumps any more.` : "");
  };

  const show = (html) => {
    const fresh = document.createElement("template");
    fresh.innerHTML = html;
    const [now, then] = [fresh.content, place].map((part) => [...part.querySelectorAll("tbody tr")]);
    const named = (rows) => rows.map((row) => row.querySelector("th").innerHTML).join("\n");
    if (now.length === 0 || named(now) !== named(then)) {
      if (place.innerHTML.trim() !== html.trim()) place.replaceChildren(fresh.content);
    } else {
      now.forEach((row, at) => {
        then[at].className = row.className;
        row.querySelectorAll("td").forEach((cell, column) => put(then[at].cells[column + 1], cell.textContent));
      });
    }
    heardAt = instant();
  };

  const next = async () => {
    const began = performance.now();
    try {
      const answer = await fetch(place.dataset.list, { signal: AbortSignal.timeout(SILENT_MS - LIST_MS) });
      if (answer.status === 200) show(await answer.text());
      lost = answer.status === 401 ? "You were logged out." : "";
    } catch {
      lost = "";
    }
    setTimeout(next, Math.max(0, LIST_MS - (performance.now() - began)));
  };

  keepTelling(tell);
  setTimeout(next, LIST_MS);
}

// No STOP moves from under a finger that is on its way: each keeps its place while the page stands, that of a controller
// that has ended too, and new ones come last.
function keepPlaces(row, html) {
  const fresh = document.createElement("template");
  fresh.innerHTML = html;
  const now = new Map([...fresh.content.querySelectorAll("form")].map((form) => [form.getAttribute("action"), form]));
  for (const form of row.querySelectorAll("form")) {
    const other = now.get(form.getAttribute("action"));
    now.delete(form.getAttribute("action"));
    form.querySelector("button").classList.toggle("ended", other === undefined);
    put(form.querySelector("em"), other === undefined ? "✖ ended" : other.querySelector("em").textContent);
    if (other !== undefined) put(form.querySelector("span"), other.querySelector("span").textContent);
  }
  row.append(...now.values());
}

// STOP goes out without leaving the page: what is being typed there is not lost. What became of each pump's stands on a
// line of its own, with the time: what one pump confirmed does not take away what is to be done by hand at another, and what
// was so then need not be so now.
function stopInPlace(bar) {
  const [row, said] = [bar.querySelector(".row"), bar.querySelector("[role=alert]")];
  const [lines, waiting] = [new Map(), new Map()]; // by what a STOP is sent to: what became of it, how many wait
  const tell = (of, text) => {
    lines.delete(of);
    if (text !== "") lines.set(of, text); // what is new comes last
    put(said, [...lines.values()].join("\n"));
  };
  const at = () => new Date().toTimeString().slice(0, 8);
  const became = async (action, title) => {
    try {
      const answer = await fetch(action, {
        method: "POST", headers: { Accept: "application/json" }, signal: AbortSignal.timeout(STOP_PATIENCE_MS),
      });
      if (answer.ok) return `${title}: ${(await answer.json()).text}`;
      if (answer.status === 401) return `${title}: you were logged out. STOP was NOT sent. ${BY_HAND}`;
      return `${title}: STOP was NOT confirmed. ${BY_HAND}`;
    } catch {
      return `${title}: the page's server does not answer. Whether STOP was sent is not known. ${BY_HAND}`;
    }
  };
  bar.addEventListener("submit", async (event) => {
    event.preventDefault();
    const [action, title] = [event.target.action, event.target.querySelector("span").textContent];
    tell(action, `${at()} STOP was pressed for ${title}; the pump has not confirmed it yet.`);
    const under = waiting.get(action) || 0;
    if (under >= STOPS_AT_ONCE) return;
    waiting.set(action, under + 1);
    const text = await became(action, title);
    waiting.set(action, waiting.get(action) - 1);
    tell(action, `${at()} ${text}`);
  });
  const look = async () => {
    try {
      const answer = await fetch(bar.dataset.stops, { signal: AbortSignal.timeout(STOPS_MS) });
      const html = await answer.text();
      if (answer.status === 200) keepPlaces(row, html);
      bar.hidden = row.children.length === 0 && said.textContent === "";
      bar.classList.toggle("silent", answer.status !== 200);
      tell("", answer.status === 401 && !bar.hidden ? `You were logged out: STOP does not work here. Log in again. ${BY_HAND}` : "");
    } catch {
      bar.classList.add("silent");
    }
    setTimeout(look, STOPS_MS);
  };
  setTimeout(look, STOPS_MS);
}

// What is expected in the reservoir is that of the status that stands on the page now; what is typed stays.
function expect(now) {
  const form = document.getElementById("refill");
  if (form === null || now.dataset.expected === "") return;
  put(document.getElementById("expected"), now.dataset.expected);
  compareVolume(form, now);
}

function compareVolume(form, now) {
  const text = form.elements.namedItem("found").value.trim();
  const [value, low, high] = [Number(text), Number(now.dataset.low), Number(now.dataset.high)];
  let said = "Within what is expected.";
  if (text === "" || text === "unknown") said = "";
  else if (!new RegExp(`^(?:${form.dataset.figure})$`).test(text)) said = "A figure such as 1.5: a point, not a comma.";
  else if (value < low) said = `${(low - value).toFixed(3)} mL less than expected.`;
  else if (value > high) said = `${(value - high).toFixed(3)} mL more than expected.`;
  put(document.getElementById("difference"), said);
}

// A form counts once: after its first click it takes no second one. A STOP always does; the form of a plan's entry stays on
// the page, as its browser may be slow and what is typed there goes on.
function clickOnce(form) {
  const buttons = () => form.querySelectorAll("button:not([type=button])");
  const set = (off) => { for (const button of buttons()) button.disabled = off; };
  form.addEventListener("submit", () => setTimeout(() => set(true))); // later: the button's own value goes out too
  addEventListener("pageshow", () => set(false)); // who comes back to the page may send the form again, and is told
}

for (const form of document.querySelectorAll("main form:not(#entry):not([action$='/stop'])")) clickOnce(form);
const entry = document.getElementById("entry");
if (entry !== null) {
  liveCheck(entry);
  focusFirst();
  addEventListener("hashchange", focusFirst);
}
const status = document.querySelector("[data-follow]");
if (status !== null) follow(status);
const bar = document.querySelector("[data-stops]");
if (bar !== null) stopInPlace(bar);
const refill = document.getElementById("refill");
if (refill !== null) {
  const compare = () => compareVolume(refill, document.getElementById("now"));
  refill.elements.namedItem("found").addEventListener("input", compare);
  compare();
}
const list = document.querySelector("[data-list]");
if (list !== null) followList(list);
for (const button of document.querySelectorAll("[data-print]")) button.addEventListener("click", () => window.print());
