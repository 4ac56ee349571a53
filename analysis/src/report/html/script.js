"use strict";
// Heads of tables become buttons that sort their rows: upwards, downwards, as they were.
// What is not known stays at the end.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const written = [...body.rows];
  const heads = [...table.tHead.rows[0].cells];
  const words = new Intl.Collator("en", { numeric: true });

  const sorted = (at, sign) => {
    const numbers = heads[at].classList.contains("number");
    const key = (row) => {
      const cell = row.cells[at];
      if (cell.classList.contains("unknown")) return undefined;
      if (!numbers) return cell.dataset.value ?? cell.textContent;
      return cell.dataset.value === undefined ? undefined : Number(cell.dataset.value);
    };
    const keys = new Map(written.map((row) => [row, key(row)]));
    // Two infinities are equal, and their difference is no number.
    const order = (a, b) => (numbers ? (a > b) - (a < b) : words.compare(a, b));
    return [...written].sort((one, other) => {
      const [a, b] = [keys.get(one), keys.get(other)];
      if (a === undefined || b === undefined) return (a === undefined) - (b === undefined);
      return sign * order(a, b);
    });
  };

  const turn = (head, at) => {
    const next = { ascending: "descending", descending: null }[head.ariaSort ?? ""];
    const order = next === undefined ? "ascending" : next;
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    if (order !== null) head.setAttribute("aria-sort", order);
    body.append(...(order === null ? written : sorted(at, order === "ascending" ? 1 : -1)));
  };

  heads.forEach((head, at) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => turn(head, at));
    head.append(button);
  });
}

// Only what scrolls is a stop for the keyboard and has a hint.
const boxes = document.querySelectorAll(".scroll");
const measure = () => {
  for (const box of boxes) {
    const scrolls = box.scrollWidth > box.clientWidth + 1;
    box.classList.toggle("scrolls", scrolls);
    if (scrolls) box.tabIndex = 0;
    else if (box !== document.activeElement) box.removeAttribute("tabindex");
  }
};
if (typeof ResizeObserver === "function") {
  document.documentElement.classList.add("measured");
  const observer = new ResizeObserver(measure);
  boxes.forEach((box) => observer.observe(box));
}
