// The table of utterances. Everything that comes from the data becomes a text node, never markup.
(() => {
  "use strict";
  const holder = document.getElementById("utterance-data");
  if (!holder) return;
  const { labels, colours, hidden, columns } = JSON.parse(holder.textContent);
  const rows = columns.id.map((_, row) => row);
  const SVG = "http://www.w3.org/2000/svg";

  const node = (name, text, attributes = {}) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };
  // DataTables decodes entities in what it searches.
  const searched = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

  const bar = (shares) => {
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("class", "bar");
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", labels.map((label, k) => [label, shares[k]])
      .filter(([, share]) => share >= 1).map(([label, share]) => `${label} ${share} %`).join(", "));
    const title = document.createElementNS(SVG, "title");
    title.textContent = svg.getAttribute("aria-label");
    svg.append(title);
    const total = shares.reduce((sum, share) => sum + share, 0) || 1;
    let left = 0;
    shares.forEach((share, k) => {
      const part = document.createElementNS(SVG, "rect");
      part.setAttribute("x", `${100 * left / total}%`);
      part.setAttribute("width", `${100 * share / total}%`);
      part.setAttribute("height", "100%");
      part.setAttribute("fill", colours[k]);
      svg.append(part);
      left += share;
    });
    return svg;
  };
  const name = (row) => {
    const text = columns.id[row];
    if (!columns.anchor[row]) return node("span", text);
    const link = node("a", text, { href: `#${columns.anchor[row]}` });
    link.prepend(node("span", "▶ ", { "aria-hidden": "true" }));
    link.append(node("span", " (listen)", { class: "unseen" }));
    return link;
  };
  const text = (key) => (_, type, row) => {
    const value = columns[key][row];
    if (type === "display") return node("span", value);
    return type === "filter" ? searched(value) : value.toLowerCase();
  };
  const number = (key, digits) => (_, type, row) => {
    const value = columns[key][row];
    if (type === "display") return node("span", value === null ? "–" : value.toFixed(digits));
    return value === null ? -1 : value;
  };
  const column = (key, render, options = {}) =>
    ({ data: null, name: key, render, visible: !hidden.includes(key), ...options });
  const right = { className: "right", type: "num", searchable: false, orderSequence: ["desc", "asc"] };
  const definitions = [
    column("id", (_, type, row) => type === "display" ? name(row)
      : type === "filter" ? searched(columns.id[row]) : columns.id[row]),
    column("transcript", text("transcript"), { className: "words" }),
    column("speaker", text("speaker"), { className: "extra" }),
    column("split", text("split"), { className: "extra" }),
    column("seconds", number("seconds", 1), { ...right, className: "right extra" }),
    column("votes", (_, type, row) => type === "display" ? node("span", `${columns.votes[row]}`)
      : columns.votes[row], right),
    column("label", text("label")),
    column("p", (_, type, row) => type === "display" ? bar(columns.p[row]) : columns.label[row].toLowerCase(),
      { orderable: false, searchable: false }),
    column("ambiguity", number("ambiguity", 2), right),
    column("disagreement", number("disagreement", 2), right),
    column("gain", number("gain", 4), right),
  ];

  const table = new DataTable("#utterance-table", {
    data: rows,
    columns: definitions,
    autoWidth: false,
    deferRender: true,
    order: [],
    pageLength: 20,
    lengthMenu: [20, 50, 100],
    layout: { topStart: null, topEnd: null, bottomStart: "info", bottomEnd: "paging" },
    language: {
      info: "_START_ to _END_ of _TOTAL_", infoFiltered: "(of _MAX_ in all)", infoEmpty: "none",
      zeroRecords: "No utterance fits the filters.",
    },
  });

  const filters = document.getElementById("utterance-filters");
  const field = (label, control) => {
    const holder = node("label", label);
    holder.append(control);
    filters.append(holder);
    return control;
  };
  const search = field("Search ", node("input", undefined, { type: "search", placeholder: "name, transcript, speaker" }));
  search.addEventListener("input", () => table.search(search.value).draw());
  const chosen = {};
  const choice = (label, key) => {
    const values = [...new Set(columns[key])].sort();
    if (values.length < 2) return;
    const select = field(`${label} `, node("select"));
    select.append(node("option", "all", { value: "" }));
    values.forEach((value, place) => select.append(node("option", value, { value: `${place + 1}` })));
    select.addEventListener("change", () => {
      chosen[key] = select.value ? values[select.value - 1] : undefined;
      table.draw();
    });
  };
  choice("Split", "split");
  choice("Emotion", "label");
  if (columns.anchor.some(Boolean)) {
    const only = field("With audio ", node("input", undefined, { type: "checkbox" }));
    only.addEventListener("change", () => { chosen.anchor = only.checked; table.draw(); });
  }
  table.search.fixed("choices", (_, __, row) =>
    (chosen.split === undefined || columns.split[row] === chosen.split)
    && (chosen.label === undefined || columns.label[row] === chosen.label)
    && (!chosen.anchor || Boolean(columns.anchor[row])));
  filters.hidden = false;
})();
