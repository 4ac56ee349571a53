"use strict";
// What check-html.py asks of a page. Most answers are sentences on what is wrong.
({
  // What is wrong with the shape of the page, as sentences.
  structure() {
    const wrong = [];
    const all = (selector) => [...document.querySelectorAll(selector)];
    const levels = all("h1, h2, h3, h4, h5, h6").map((h) => [Number(h.tagName[1]), h.textContent]);
    if (levels.filter(([level]) => level === 1).length !== 1) wrong.push("not one h1");
    levels.reduce((above, [level, text]) => {
      if (level > above + 1) wrong.push(`h${level} after h${above}: ${text}`);
      if (!text.trim()) wrong.push(`an empty h${level}`);
      return level;
    }, 0);
    if (!document.documentElement.lang) wrong.push("no language");
    if (!document.title) wrong.push("no title");
    if (document.compatMode !== "CSS1Compat") wrong.push("quirks mode");
    const ids = all("[id]").map((element) => element.id);
    ids.filter((id, at) => ids.indexOf(id) !== at).forEach((id) => wrong.push(`id ${id} twice`));
    for (const a of all("a[href]")) {
      const href = a.getAttribute("href");
      if (!href.startsWith("#")) wrong.push(`a link out of the page: ${href}`);
      else if (!document.getElementById(href.slice(1))) wrong.push(`a link to nowhere: ${href}`);
    }
    for (const name of ["aria-labelledby", "aria-describedby"])
      for (const element of all(`[${name}]`))
        for (const id of element.getAttribute(name).split(/\s+/))
          if (!document.getElementById(id)) wrong.push(`${name} names ${id}, which is not there`);
    for (const table of all("table")) {
      if (!table.caption?.textContent.trim()) wrong.push("a table without a caption");
      if (!table.tHead) wrong.push("a table without heads");
      const columns = table.tHead?.rows[0].cells.length;
      for (const row of table.tBodies[0]?.rows ?? [])
        if (row.cells.length !== columns)
          wrong.push(`a row of ${row.cells.length} cells under ${columns} heads`);
    }
    all("th:not([scope])").forEach((th) => wrong.push(`no scope: ${th.textContent}`));
    const first = all("a, button, [tabindex='0']")[0];
    if (!first?.matches("a[href^='#']") || !document.querySelector(first.hash)?.matches("main"))
      wrong.push("the first stop is no link to the report");
    if (!document.querySelector("nav a")) wrong.push("no contents");
    for (const element of all("*"))
      for (const attribute of element.attributes)
        if (/^on/.test(attribute.name)) wrong.push(`${element.tagName} has ${attribute.name}`);
    if (!all("meta[http-equiv='Content-Security-Policy']").length) wrong.push("no policy");
    return wrong;
  },

  // What lies outside of the page, or scrolls and cannot: on `paper` nothing can, on a screen what
  // the keyboard does not reach.
  layout(width, paper) {
    const wrong = [];
    const root = document.documentElement;
    const across = Math.max(root.scrollWidth, document.body.scrollWidth);
    if (across > width) wrong.push(`the page is ${across} pixels wide`);
    for (const box of document.querySelectorAll("body *")) {
      if (!(box instanceof HTMLElement) || box.closest("svg")) continue;
      const style = getComputedStyle(box);
      if (box.scrollWidth <= box.clientWidth + 1 || style.display === "inline") continue;
      const name = `${box.tagName} ${box.id || box.className || box.textContent.slice(0, 30)}`;
      if (paper && box.matches(".scroll")) wrong.push(`${name} is cut off`);
      if (!paper && /auto|scroll/.test(style.overflowX) && box.tabIndex < 0)
        wrong.push(`${name} cannot be reached`);
    }
    for (const svg of document.querySelectorAll("svg")) {
      const box = svg.getBoundingClientRect();
      if (box.width < 1 || box.height < 1) wrong.push("a picture of no size");
    }
    return wrong;
  },

  // Texts with less contrast than they need.
  contrast() {
    const parse = (colour) => {
      const numbers = colour.match(/-?[\d.]+(e-?\d+)?/g)?.map(Number) ?? [];
      const scale = colour.startsWith("rgb") ? 1 / 255 : 1;
      if (!/^(rgb|color\(srgb)/.test(colour)) throw new Error(`what colour is ${colour}?`);
      const [r, g, b, alpha = 1] = numbers;
      return [r * scale, g * scale, b * scale, alpha];
    };
    const over = ([r, g, b, a], under) =>
      [r, g, b].map((channel, at) => channel * a + under[at] * (1 - a)).concat(1);
    const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    const luminance = (colour) => {
      const [r, g, b] = colour.map(linear);
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = (element) => {
      const layers = [];
      for (let at = element; at; at = at.parentElement)
        layers.push(parse(getComputedStyle(at).backgroundColor));
      return layers.reverse().reduce((under, layer) => over(layer, under), [1, 1, 1, 1]);
    };
    const found = [];
    let least = Infinity;
    let texts = 0;
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const element = node.parentElement;
      if (!node.data.trim() || element.closest("script, style, title, desc, .unseen")) continue;
      const style = getComputedStyle(element);
      if (style.display === "none" || style.visibility !== "visible") continue;
      const under = ground(element);
      const drawn = element.closest("svg") ? style.fill : style.color;
      if (drawn === "none") continue;
      const paint = parse(drawn);
      const [one, other] = [luminance(over(paint, under)), luminance(under)];
      const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
      texts += 1;
      least = Math.min(least, contrast);
      if (contrast < 4.5)
        found.push(`${contrast.toFixed(2)} : 1 for ${drawn}: ${node.data.trim().slice(0, 40)}`);
    }
    return { wrong: [...new Set(found)], least, texts };
  },

  // The text of the page, without what only a script has a use for.
  texts() {
    const kinds = "h2, h3, h4, h5, h6, p, li, th, td, caption, figcaption, pre";
    const found = document.querySelectorAll(`main :is(${kinds}):not(.hint)`);
    return [...found].map((element) => element.textContent);
  },

  // Clicks through the heads of a table.
  sorting(table) {
    const wrong = [];
    const body = table.tBodies[0];
    const rows = () => [...body.rows];
    const written = rows();
    const same = (one, other) => one.every((row, at) => row === other[at]);
    const heads = [...table.tHead.rows[0].cells];
    let moved = false;
    heads.forEach((head, at) => {
      const button = head.querySelector("button");
      if (!button) return wrong.push(`${head.textContent} has no button`);
      const number = head.classList.contains("number");
      for (const order of ["ascending", "descending"]) {
        button.click();
        const sorts = heads.map((other) => other.getAttribute("aria-sort"));
        if (sorts.some((sort, nth) => sort !== (nth === at ? order : null)))
          wrong.push(`aria-sort is ${sorts}`);
        moved ||= !same(rows(), written);
        if (new Set(rows()).size !== written.length) wrong.push("rows are lost");
        if (!number) continue;
        const cells = rows().map((row) => row.cells[at]);
        // What is not known is at the end, whichever way the others go.
        const ranks = cells.map(({ dataset: { value } }) =>
          value === undefined ? [1, 0] : [0, value * (order === "ascending" ? 1 : -1)]);
        ranks.forEach(([missing, rank], nth) => {
          const [nextMissing, next] = ranks[nth + 1] ?? [1, 0];
          if (missing < nextMissing || (missing === nextMissing && rank <= next)) return;
          const [one, other] = [cells[nth].textContent, cells[nth + 1].textContent];
          wrong.push(`${head.textContent} ${order}: ${one} before ${other}`);
        });
      }
      button.click();
      if (!same(rows(), written) || head.hasAttribute("aria-sort"))
        wrong.push("the written order is lost");
    });
    if (!moved && written.length > 1) wrong.push("nothing moves");
    return wrong;
  },

  // Tries what the policy forbids.
  intrude() {
    const script = document.createElement("script");
    script.textContent = "window.foreign = true";
    document.body.append(script);
    const inline = document.createElement("button");
    inline.setAttribute("onclick", "window.foreign = true");
    inline.click();
    new Image().src = "http://127.0.0.1:9/picture";
    const style = document.createElement("style");
    style.textContent = "body { background: url(http://127.0.0.1:9/ground) }";
    document.body.append(style);
    document.body.append(inline);
    fetch("http://127.0.0.1:9/fetch").catch(() => {});
    return new Promise((done) => setTimeout(done, 100));
  },
})
