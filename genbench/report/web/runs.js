// A press on a run opens its provenance below it; all values enter as text.
const study = JSON.parse(document.getElementById("data").textContent);

for (const row of document.querySelectorAll("tr[data-run]")) {
  row.addEventListener("click", () => {
    if (row.nextElementSibling?.classList.contains("detail")) closeRun(row);
    else openRun(row);
  });
}

function openRun(row) {
  const group = Number(row.closest("[data-group]").dataset.group);
  const run = study.groups[group].runs[Number(row.dataset.run)];
  const list = document.createElement("dl");
  for (const [name, value] of facts(run)) {
    const term = list.appendChild(document.createElement("dt"));
    const content = list.appendChild(document.createElement("dd"));
    term.textContent = name;
    const code = name === "command" || name === "key" || name.endsWith("digest");
    (code ? content.appendChild(document.createElement("code")) : content).textContent = value;
  }
  const detail = document.createElement("tr");
  detail.className = "detail";
  const cell = detail.appendChild(document.createElement("td"));
  cell.colSpan = row.cells.length;
  cell.append(list);
  row.after(detail);
  row.querySelector(".open").setAttribute("aria-expanded", "true");
}

function closeRun(row) {
  row.nextElementSibling.remove();
  row.querySelector(".open").setAttribute("aria-expanded", "false");
}

// [name, text] of every entry; objects become "outer · inner", lists and null their JSON.
function facts(value, prefix = "") {
  return Object.entries(value).flatMap(([name, part]) => {
    if (part !== null && typeof part === "object" && !Array.isArray(part)) return facts(part, `${prefix}${name} · `);
    return [[prefix + name, typeof part === "string" ? part : JSON.stringify(part)]];
  });
}
