"use strict";
// Tables sort by a press on a title: numbers as numbers, missing values last, a second press turns it round.
for (const table of document.querySelectorAll("table.sortable")) {
  const titles = [...table.tHead.rows[0].cells];
  titles.forEach((title, column) => {
    title.querySelector("button")?.addEventListener("click", () => {
      const down = title.getAttribute("aria-sort") === "ascending";
      for (const other of titles) other.removeAttribute("aria-sort");
      title.setAttribute("aria-sort", down ? "descending" : "ascending");
      sortRows(table.tBodies[0], column, down ? -1 : 1);
    });
  });
}

function sortRows(body, column, sign) {
  for (const detail of body.querySelectorAll("tr.detail")) closeRun(detail.previousElementSibling);
  const keyed = [...body.rows].map((row) => [sortKey(row.cells[column]), row]);
  keyed.sort(([a], [b]) => {
    if (a === null || b === null) return (a === null) - (b === null);
    return sign * (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b)));
  });
  body.append(...keyed.map(([, row]) => row));
}

function sortKey(cell) {
  const text = (cell.dataset.v ?? cell.textContent).trim();
  if (text === "" || text === "–") return null;
  const number = Number.parseFloat(text);
  return Number.isNaN(number) || (cell.dataset.v === undefined && !/^[-+]?[\d.]/.test(text)) ? text : number;
}
