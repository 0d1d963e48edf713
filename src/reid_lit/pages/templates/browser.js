"use strict";
// Lists stay outside of Alpine's state, which would watch each of their thousands of entries.
const rankings = [...document.querySelectorAll("script.ranking")].map((node) => JSON.parse(node.textContent));
const SIGNS = {q: "?", m: "✓", w: "✗", r: "–"};
const KIND = JSON.parse(document.getElementById("kind").textContent); // what the identities are: person, vehicle
const MEANINGS = {m: `same ${KIND}`, w: `other ${KIND}`, r: "removed by the protocol"};
const FREE = {order: "worst", camera: "", other: "", person: "", from: "", to: "", text: "", failed: false, removed: true};
const PER_PAGE = 10;

const percent = (share) => (100 * share).toFixed(2) + " %";
const unique = (values) => [...new Set(values)].sort((a, b) => a - b);
const whose = (person, camera) => `c${camera}, ${person < 0 ? "junk" : KIND + " " + person}`;

/** Rank-1 of some queries: of those with a match, the share whose first true match has rank 1. */
function rank1(ranking, rows) {
  const counted = rows.filter((row) => ranking.first[row] !== null);
  return counted.length ? counted.filter((row) => ranking.first[row] === 1).length / counted.length : null;
}

/** Which comes first; queries without a match come last. */
function comparison(ranking, order, draw) {
  const last = (values, sign) => (a, b) =>
    values[a] === null || values[b] === null ? (values[a] === null) - (values[b] === null) : sign * (values[a] - values[b]);
  const later = last(ranking.first, -1);
  const worst = last(ranking.ap, 1);
  return {
    worst: (a, b) => worst(a, b) || later(a, b) || a - b,
    best: (a, b) => last(ranking.ap, -1)(a, b) || a - b,
    late: (a, b) => later(a, b) || worst(a, b) || a - b,
    early: (a, b) => last(ranking.first, 1)(a, b) || a - b,
    random: (a, b) => draw[a] - draw[b],
    name: (a, b) => (ranking.query.path[a] < ranking.query.path[b] ? -1 : 1),
    list: (a, b) => a - b,
  }[order];
}

document.addEventListener("alpine:init", () => {
  let found = [];
  let draw = [];
  Alpine.data("browser", () => ({
    ...FREE,
    names: rankings.map((ranking) => ranking.dataset),
    chosen: 0,
    count: 0,
    page: 0,
    shown: [],
    cameras: [],
    others: [],
    says: "",
    path: "",
    draws: "",

    init() {
      if (!rankings.length) return;
      this.shuffle();
      window.showPair = ({dataset, query, gallery}) => {
        const place = this.names.findIndex((name) => name === dataset);
        Object.assign(this, FREE, {chosen: Math.max(place, 0)});
        this.search();
        Object.assign(this, {camera: query, other: gallery});
        this.search();
        this.$root.scrollIntoView();
      };
      document.addEventListener("keydown", (event) => {
        if (event.target.matches("input, select") || event.ctrlKey || event.metaKey || event.altKey) return;
        if (event.key === "n" || event.key === "p") this.turn(this.page + (event.key === "n" ? 1 : -1), true);
        else if (event.key === "/") document.getElementById("text").focus();
        else return;
        event.preventDefault();
      });
    },
    ranking() {
      return rankings[this.chosen];
    },
    search() {
      const ranking = this.ranking();
      const {query, gallery, match, ap, first} = ranking;
      this.cameras = unique(query.camera);
      this.others = unique(match.filter((slot) => slot !== null).map((slot) => gallery.camera[slot]));
      const oneShot = ranking.stamp.gallery !== "all images";
      this.draws = oneShot ? `The scores above are means over draws (${ranking.stamp.gallery}); these lists are of the whole gallery.` : "";
      const text = this.text.toLowerCase();
      const given = (value) => value !== "" && value !== null;
      found = query.path.map((_, row) => row).filter((row) =>
        (!given(this.camera) || query.camera[row] === Number(this.camera)) &&
        (!given(this.other) || (match[row] !== null && gallery.camera[match[row]] === Number(this.other))) &&
        (!given(this.person) || query.person[row] === Number(this.person)) &&
        (!given(this.from) || (ap[row] !== null && 100 * ap[row] >= Number(this.from))) &&
        (!given(this.to) || (ap[row] !== null && 100 * ap[row] <= Number(this.to))) &&
        (!this.failed || (first[row] !== null && first[row] > 1)) &&
        query.path[row].toLowerCase().includes(text));
      found.sort(comparison(ranking, this.order, draw));
      this.count = found.length;
      this.turn(0);
    },
    shuffle() {
      draw = Array.from({length: Math.max(...rankings.map((each) => each.ap.length))}, Math.random);
      this.search();
    },
    reset() {
      Object.assign(this, FREE);
      this.search();
    },
    pages() {
      return Math.max(1, Math.ceil(this.count / PER_PAGE));
    },
    turn(page, up = false) {
      this.page = Math.min(Math.max(page, 0), this.pages() - 1);
      const start = PER_PAGE * this.page;
      this.shown = found.slice(start, start + PER_PAGE).map((row) => this.entry(row));
      if (up) document.getElementById("place").scrollIntoView();
    },
    where() {
      const start = PER_PAGE * this.page;
      return this.count ? `${start + 1} to ${Math.min(start + PER_PAGE, this.count)} of ${this.count} queries` : "0 queries";
    },
    verdict() {
      if (!rankings.length) return "";
      const ranking = this.ranking();
      const all = ranking.ap.map((_, row) => row);
      const lost = ranking.first.filter((first) => first === null).length;
      const of = this.count === all.length ? "" : `; of the ${this.count} found: ${rank1(ranking, found) === null ? "–" : percent(rank1(ranking, found))}`;
      return `${ranking.dataset}: rank-1 of all ${all.length - lost} queries with a match: ${percent(rank1(ranking, all))}${of}` + (lost ? `; ${lost} more have no match` : "");
    },
    entry(row) {
      const ranking = this.ranking();
      const {query, gallery} = ranking;
      const first = ranking.first[row];
      const scores = first === null ? "no match in the gallery" : `AP ${percent(ranking.ap[row])}, first match at ${first}, ${ranking.matches[row]} in all`;
      const tiles = [this.tile("q", query, row, row, `query ${row}`, `query ${row}`)];
      let rank = 0;
      ranking.top[row].forEach((slot, place) => {
        const kind = ranking.mark[row][place];
        const distance = ranking.distance[row][place];
        if (kind !== "r") rank += 1;
        else if (!this.removed) return;
        const at = kind === "r" ? "" : `${rank}: `;
        const says = (kind === "r" ? "" : `rank ${rank}, `) + `${MEANINGS[kind]}, distance ${distance}`;
        tiles.push(this.tile(kind, gallery, slot, `${row}-${place}`, at + distance.toFixed(3), says));
      });
      if (first !== null && first > rank) tiles.push(this.tile("m", gallery, ranking.match[row], `${row}-first`, `first: ${first}`, `first true match, rank ${first}`));
      const id = `${this.chosen}-${row}-${this.removed}`;
      return {id, row, first, title: `query ${row}: ${whose(query.person[row], query.camera[row])}`, scores, path: query.path[row], tiles};
    },
    tile(kind, side, slot, id, caption, says) {
      const who = whose(side.person[slot], side.camera[slot]);
      return {kind, id, sign: SIGNS[kind], image: side.image[slot], path: side.path[slot], caption, says: `${SIGNS[kind]} ${says}, ${who}`};
    },
    tell(event) {
      const tile = event.target.closest(".tile");
      if (tile) Object.assign(this, {says: tile.dataset.says, path: tile.dataset.path});
    },
    key(event) {
      const tile = event.target.closest(".tile");
      const step = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1}[event.key];
      if (!tile || !step) return;
      event.preventDefault();
      const entry = tile.closest(".entry");
      const tiles = [...entry.querySelectorAll(".tile")];
      if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
        tiles[tiles.indexOf(tile) + step]?.focus();
        return;
      }
      const entries = [...document.querySelectorAll("#list .entry")];
      const next = entries[entries.indexOf(entry) + step];
      if (next) [...next.querySelectorAll(".tile")].slice(0, tiles.indexOf(tile) + 1).pop().focus();
    },
  }));
});
