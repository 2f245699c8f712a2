// What is wrong with the page that it is evaluated in, a sentence each; nothing where all holds.
(() => {
  const wrong = [];
  const all = (what, within = document) => [...within.querySelectorAll(what)];
  const named = (node) => `${node.tagName.toLowerCase()} "${(node.textContent || "").trim().slice(0, 40)}"`;

  // Structure
  if (!document.title.trim()) wrong.push("no title");
  if (!document.documentElement.lang) wrong.push("no language");
  for (const landmark of ["header", "main", "footer"]) {
    if (all(`body > ${landmark}`).length !== 1) wrong.push(`not one ${landmark}`);
  }
  for (const nav of all("nav")) if (!nav.getAttribute("aria-label")) wrong.push("a nav without a name");
  if (all("h1").length !== 1) wrong.push("not one h1");
  let level = 0;
  for (const heading of all("h1, h2, h3, h4")) {
    const now = Number(heading.tagName[1]);
    if (now > level + 1) wrong.push(`${named(heading)} skips a level`);
    level = now;
  }
  const ids = all("[id]").map((node) => node.id);
  for (const id of new Set(ids.filter((each, place) => ids.indexOf(each) !== place))) wrong.push(`two ids ${id}`);
  for (const link of all("a")) {
    const to = link.getAttribute("href") || "";
    if (!to.startsWith("#") || !document.getElementById(to.slice(1))) wrong.push(`${named(link)} leads nowhere`);
  }
  for (const region of all("section")) {
    if (!document.getElementById(region.getAttribute("aria-labelledby"))) wrong.push("a section without its heading");
  }
  if (all("script, iframe, object, embed, link, form").length) wrong.push("more than a page is to hold");
  for (const node of all("*")) {
    for (const { name } of node.attributes) if (name.startsWith("on")) wrong.push(`${named(node)} has ${name}`);
  }

  // Tables and pictures
  for (const table of all("table")) {
    if (!table.caption || !table.caption.textContent.trim()) wrong.push("a table without a caption");
    if (!all("thead th[scope=col]", table).length) wrong.push(`${named(table)} has no heads`);
    const width = all("thead th", table).length;
    for (const row of all("tbody tr", table)) {
      if (!row.querySelector("th[scope=row]")) wrong.push(`a row without a head: ${named(row)}`);
      if (row.children.length !== width) wrong.push(`a row of another width: ${named(row)}`);
    }
  }
  for (const image of all("svg")) {
    const told = image.getAttribute("role") === "img" && (image.getAttribute("aria-label") || "").trim();
    if (!told && image.getAttribute("aria-hidden") !== "true") wrong.push("a picture without a text");
    if (image.getBoundingClientRect().width === 0) wrong.push("a picture without a size");
  }
  for (const image of all("img")) if (!image.alt) wrong.push("an image without a text");

  // Nothing is wider than the page
  const over = document.documentElement.scrollWidth - window.innerWidth;
  if (over > 0) wrong.push(`wider than the page by ${over} pixels`);

  // Contrast of texts, by WCAG 2.2 AA
  const channels = (colour) => (colour.match(/[\d.]+/g) || []).map(Number);
  const luminance = ([r, g, b]) => {
    const part = [r, g, b].map((each) => {
      const share = each / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
  };
  const behind = (node) => {
    for (let each = node; each; each = each.parentElement) {
      const found = channels(getComputedStyle(each).backgroundColor);
      if (found.length === 3 || found[3] === 1) return found;
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let texts = 0;
  for (let text = walker.nextNode(); text; text = walker.nextNode()) {
    const node = text.parentElement;
    const style = getComputedStyle(node);
    if (!text.textContent.trim() || style.visibility === "hidden" || !node.getClientRects().length) continue;
    texts += 1;
    const colour = node.closest("svg") ? style.fill : style.color;
    const [light, dark] = [luminance(channels(colour)), luminance(behind(node))].sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) wrong.push(`${named(node)} has a contrast of ${ratio.toFixed(2)}`);
  }
  if (texts < 20) wrong.push(`only ${texts} texts`);
  return wrong;
})();
