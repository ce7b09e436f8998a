// What a page gets wrong for somebody who uses a keyboard or a screen reader, one sentence each, beginning with the
// name of the check. A function without arguments, evaluated in the page.
() => {
  const wrong = [];
  const all = (selector) => [...document.querySelectorAll(selector)];
  const tell = (check, what, where) => {
    const place = where ? `: ${where.outerHTML.slice(0, 140)}` : "";
    wrong.push(`${check}: ${what}${place}`);
  };
  const shown = (each) => each.getClientRects().length > 0 && getComputedStyle(each).visibility !== "hidden";
  const words = (ids) => ids.split(/\s+/).map((id) => document.getElementById(id)?.textContent.trim() ?? "").join(" ").trim();
  const named = (each) =>
    (each.getAttribute("aria-label") ?? "").trim() !== "" ||
    words(each.getAttribute("aria-labelledby") ?? "") !== "" ||
    [...(each.labels ?? [])].some((label) => label.textContent.trim() !== "");

  // labels and names
  for (const each of all("input:not([type=hidden]), select, textarea")) if (!named(each)) tell("label", "a field has none", each);
  for (const each of all("a[href], button, summary")) if (!named(each) && each.textContent.trim() === "") tell("name", "nothing says what it does", each);
  for (const each of all("img")) if (!each.hasAttribute("alt")) tell("picture", "no alt", each);
  for (const each of all("svg")) {
    if (each.getAttribute("aria-hidden") === "true" || each.parentElement.closest("svg")) continue;
    if (each.getAttribute("role") !== "img" || !(named(each) || each.querySelector(":scope > title")?.textContent.trim())) tell("picture", "no name", each);
  }

  // ids and what refers to them
  const ids = new Map();
  for (const each of all("[id]")) ids.set(each.id, (ids.get(each.id) ?? 0) + 1);
  for (const [id, many] of ids) if (many > 1) tell("id", `${id} stands ${many} times`);
  for (const name of ["aria-describedby", "aria-labelledby", "aria-controls", "for"])
    for (const each of all(`[${name}]`))
      for (const id of each.getAttribute(name).split(/\s+/)) if (!ids.has(id)) tell("reference", `${name} ${id} is nowhere`, each);
  for (const each of all("a[href^='#']")) {
    const id = decodeURIComponent(each.getAttribute("href").slice(1));
    if (!ids.has(id)) tell("reference", `#${id} is nowhere`, each);
  }

  // headings, landmarks, language
  const heads = all("h1, h2, h3, h4, h5, h6").filter(shown);
  if (heads.filter((each) => each.tagName === "H1").length !== 1) tell("heading", "not exactly one h1");
  let before = 0;
  for (const each of heads) {
    const level = Number(each.tagName[1]);
    if (level > before + 1) tell("heading", `h${level} after h${before}`, each);
    before = level;
  }
  if (all("main").length !== 1) tell("landmark", "not exactly one main");
  if (all("body > header").length !== 1 || all("body > footer").length !== 1) tell("landmark", "no header or footer");
  const navs = all("nav");
  for (const each of navs) if (navs.length > 1 && !named(each)) tell("landmark", "one nav of several without a name", each);
  for (const each of all("section")) if (each.hasAttribute("aria-labelledby") && !named(each)) tell("landmark", "a section without a name", each);
  if (!document.documentElement.lang) tell("language", "the page has none");
  if (!document.title.trim()) tell("title", "the page has none");

  // tables
  for (const each of all("table")) {
    if (!each.querySelector("th")) tell("table", "no headers", each);
    for (const head of each.querySelectorAll("th")) if (!head.hasAttribute("scope")) tell("table", "a header without scope", head);
    if (!each.caption && !named(each) && !each.closest("section[aria-label]") && all("table").length > 1) tell("table", "one of several without a caption", each);
  }

  // contrast
  const colour = (text) => {
    const [r, g, b, a = 1] = (text.match(/[\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
    return { r, g, b, a };
  };
  const over = (top, under) => {
    const mix = (key) => top[key] * top.a + under[key] * (1 - top.a);
    return { r: mix("r"), g: mix("g"), b: mix("b"), a: 1 };
  };
  const light = ({ r, g, b }) => {
    const [x, y, z] = [r, g, b].map((part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const contrast = (one, other) => {
    const [dark, bright] = [light(one), light(other)].sort((a, b) => a - b);
    return (bright + 0.05) / (dark + 0.05);
  };
  // Every colour that may lie behind an element: stripes and other gradients have several.
  const grounds = (each) => {
    const layers = [];
    for (let at = each; at; at = at.parentElement) {
      const style = getComputedStyle(at);
      const drawn = (style.backgroundImage.match(/rgba?\([^)]*\)/g) ?? []).map(colour);
      layers.push(drawn.length ? drawn : [colour(style.backgroundColor)]);
    }
    const white = [{ r: 255, g: 255, b: 255, a: 1 }];
    return layers.reverse().reduce((under, tops) => tops.flatMap((top) => under.map((one) => over(top, one))), white);
  };
  const least = (ink, each, clear = 1) =>
    Math.min(...grounds(each).map((under) => contrast(over({ ...ink, a: ink.a * clear }, under), under)));
  const opacity = (each) => {
    let found = 1;
    for (let at = each; at; at = at.parentElement) found *= Number(getComputedStyle(at).opacity);
    return found;
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const each = texts.currentNode.parentElement;
    if (texts.currentNode.textContent.trim() === "" || !shown(each) || each.closest("script, style, title, option")) continue;
    const style = getComputedStyle(each);
    const ink = colour(each.closest("svg") ? style.fill : style.color);
    const found = least(ink, each, opacity(each));
    if (found < 4.5) tell("contrast", `${found.toFixed(2)} : 1 of "${texts.currentNode.textContent.trim().slice(0, 40)}"`, each);
  }

  // what is typed, chosen or asked for in a field, and the lines around it
  for (const each of all("input:not([type=hidden], [type=checkbox], [type=radio]), select, textarea").filter(shown)) {
    const style = getComputedStyle(each);
    const inks = each.placeholder ? [style.color, getComputedStyle(each, "::placeholder").color] : [style.color];
    for (const ink of inks) if (least(colour(ink), each) < 4.5) tell("contrast", "what stands in a field", each);
    if (least(colour(style.borderTopColor), each.parentElement) < 3) tell("contrast", "the line around a field", each);
  }

  // focus
  for (const each of all("[tabindex]")) if (each.tabIndex > 0) tell("order", "tabindex above 0", each);
  const stops = all("a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex]").filter((each) => each.tabIndex >= 0 && !each.disabled && shown(each));
  const had = document.activeElement;
  for (const each of stops) {
    each.focus({ focusVisible: true, preventScroll: true });
    if (document.activeElement !== each) continue;
    const style = getComputedStyle(each);
    const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
    if (!ring) tell("focus", "no ring of 2 px", each);
    else if (least(colour(style.outlineColor), each.parentElement) < 3) tell("focus", "a ring that cannot be seen", each);
  }
  if (had instanceof HTMLElement) had.focus({ preventScroll: true });
  return wrong;
}
