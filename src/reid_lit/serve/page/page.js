// The page of a gallery's service: plain JavaScript, no other host, nothing kept but the token in this tab.
"use strict";

const $ = (id) => document.getElementById(id);
const ACTS = ["query", "enrol", "list", "erase", "audit", "verify"];
const SIGNS = { same: ["m", "✓"], undecided: ["u", "~"], different: ["r", "–"] };
const noun = $("kind").textContent.trim(); // vehicle, where the gallery shows those
let about = null, session = null, running = 0;
const store = {
  get: () => { try { return sessionStorage.getItem("reid_token"); } catch { return store.held || null; } },
  set: (token) => { store.held = token; try { token ? sessionStorage.setItem("reid_token", token) : sessionStorage.removeItem("reid_token"); } catch { /* kept in memory */ } },
};

function made(tag, fields = {}, ...children) {
  const node = Object.assign(document.createElement(tag), fields);
  node.append(...children.filter((child) => child !== null));
  return node;
}
const when = (time) => (time ? new Date(time).toLocaleString([], { dateStyle: "medium", timeStyle: "short" }) : "");
const plural = (number, one, many) => `${number.toLocaleString()} ${number === 1 ? one : many}`;

async function ask(path, options = {}) {
  const headers = { ...options.headers }, token = store.get(), purpose = $("purpose").value.trim();
  if (token) headers.Authorization = `Bearer ${token}`;
  if (purpose) headers["X-Purpose"] = encodeURIComponent(purpose);
  let answer;
  try {
    answer = await fetch(path, { ...options, headers });
  } catch {
    throw new Error("the service does not answer; is it running?");
  }
  const content = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    if (answer.status === 401 && session) leave();
    const later = answer.headers.get("Retry-After");
    throw new Error((content.detail || `${answer.status} ${answer.statusText}`) + (later ? ` (again in ${later} s)` : ""));
  }
  return content;
}

// Run what a button asks for: one at a time, with its words or its fault shown.
async function run(work) {
  if (running) return;
  running = 1;
  document.body.classList.add("busy");
  $("fault").hidden = true;
  $("said").textContent = "";
  try {
    $("said").textContent = (await work()) || "";
  } catch (error) {
    $("fault").textContent = error.message;
    $("fault").hidden = false;
    if (error.message.includes("needs a purpose")) $("purpose").focus();
    $("fault").scrollIntoView({ block: "nearest" });
  } finally {
    running = 0;
    document.body.classList.remove("busy");
  }
}

function showFacts() {
  document.title = $("title").textContent = about.gallery;
  const known = about.calibrated;
  const match = known ? `; a match has a score of ${known.threshold.toFixed(3)} or more (false match rate ${known.fmr})` : "";
  const kept = about.policy.ttl ? `; images are erased after ${about.policy.ttl}` : "";
  const logged = about.policy.audit ? "; every access is logged" : "";
  $("facts").textContent = plural(about.images, "image", "images") + match + kept + logged;
  $("uncalibrated").hidden = Boolean(known);
  const top = document.querySelector("#query [name=top]");
  if (about.policy.top) { top.max = about.policy.top; top.value = Math.min(top.value, about.policy.top); }
}

async function start() {
  about = await ask("/about");
  showFacts();
  const needed = about.policy.tokens === "required";
  if (needed && !store.get()) return enter(true);
  try {
    session = await ask("/session");
  } catch (error) {
    store.set(null);
    enter(true);
    throw error;
  }
  enter(false);
}

function enter(isOutside) {
  $("entrance").hidden = !isOutside;
  const acts = isOutside ? [] : session.acts;
  const purposed = about.policy.purpose === "required";
  $("tabs").hidden = isOutside;
  $("who").hidden = $("leave").hidden = isOutside || !session.who;
  if (!isOutside && session.who) $("who").replaceChildren(made("b", { textContent: session.who }), ` may ${acts.filter((act) => ACTS.includes(act)).join(", ")}`);
  $("purpose_label").hidden = isOutside || !(purposed || about.policy.audit);
  $("purpose_needed").textContent = purposed ? "(required)" : "";
  $("caller").hidden = $("who").hidden && $("purpose_label").hidden;
  const tabs = [...document.querySelectorAll("[role=tab]")];
  for (const tab of tabs) tab.hidden = !acts.includes(tab.dataset.act) || (tab.dataset.act === "audit" && !about.policy.audit);
  $("verify").hidden = !acts.includes("verify");
  const first = tabs.find((tab) => !tab.hidden);
  for (const panel of document.querySelectorAll("[role=tabpanel]")) panel.hidden = true;
  if (first) choose(first); else if (isOutside) $("token").focus();
}

function leave() {
  store.set(null);
  session = null;
  $("answers").replaceChildren(); $("rows").replaceChildren(); $("lines").replaceChildren();
  enter(true);
}

function choose(tab) {
  for (const each of document.querySelectorAll("[role=tab]")) {
    const isChosen = each === tab;
    each.setAttribute("aria-selected", isChosen);
    each.tabIndex = isChosen ? 0 : -1;
    $(each.getAttribute("aria-controls")).hidden = !isChosen;
  }
  $("said").textContent = "";
  $("fault").hidden = true;
}

$("tabs").addEventListener("click", (event) => { const tab = event.target.closest("[role=tab]"); if (tab) choose(tab); });
$("tabs").addEventListener("keydown", (event) => {
  const tabs = [...document.querySelectorAll("[role=tab]:not([hidden])")];
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const next = tabs[(tabs.indexOf(event.target) + step + tabs.length) % tabs.length];
  choose(next);
  next.focus();
  event.preventDefault();
});

// Images: chosen, dropped or pasted; each form holds its own.
function holder(form) {
  const input = form.elements.image, drop = form.querySelector(".drop"), shown = form.querySelector(".chosen");
  const show = () => {
    for (const image of shown.querySelectorAll("img")) URL.revokeObjectURL(image.src);
    shown.replaceChildren(...[...input.files].map((file) => made("li", {}, made("img", { src: URL.createObjectURL(file), alt: "" }), file.name)));
  };
  const put = (files) => {
    const images = [...files].filter((file) => file.type.startsWith("image/") || /\.(jpe?g|png|bmp|webp|gif|tiff?|ppm)$/i.test(file.name));
    if (!images.length) return;
    const transfer = new DataTransfer();
    images.forEach((file) => transfer.items.add(file));
    input.files = transfer.files;
    show();
  };
  input.addEventListener("change", show);
  for (const name of ["dragenter", "dragover"]) drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
  for (const name of ["dragleave", "drop"]) drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.remove("over"); });
  drop.addEventListener("drop", (event) => put(event.dataTransfer.files));
  return { put, clear: () => { input.value = ""; show(); } };
}
const forms = Object.fromEntries(["query", "enrol", "list", "erase", "audit"].map((name) => [name, document.querySelector(`#${name} form`)]));
const held = { query: holder(forms.query), enrol: holder(forms.enrol) };
document.addEventListener("paste", (event) => {
  const name = ["query", "enrol"].find((each) => !$(each).hidden);
  if (name && event.clipboardData && event.clipboardData.files.length) { held[name].put(event.clipboardData.files); event.preventDefault(); }
});
for (const name of ["dragover", "drop"]) window.addEventListener(name, (event) => event.preventDefault()); // a miss opens no file

// The fields of a form; times are the reader's own, and go out with their zone.
function fields(form) {
  const found = new Map();
  for (const field of form.elements) {
    if (!field.name || field.type === "file" || (field.type === "checkbox" && !field.checked) || !field.value.trim()) continue;
    found.set(field.name, field.type === "datetime-local" ? new Date(field.value).toISOString() : field.type === "checkbox" ? "true" : field.value.trim());
  }
  return found;
}
function body(form) {
  const data = new FormData();
  for (const [name, value] of fields(form)) data.append(name, value);
  for (const file of form.elements.image.files) data.append("image", file, file.name);
  return data;
}
function on(form, work) {
  form.addEventListener("submit", (event) => { event.preventDefault(); run(work); });
}

on($("entrance"), async () => {
  store.set($("token").value.trim());
  $("token").value = "";
  await start();
});
$("leave").addEventListener("click", () => { leave(); $("said").textContent = "The token is forgotten."; });

on(forms.query, async () => {
  const data = body(forms.query), isTrack = Boolean(forms.query.elements.track.checked);
  const files = [...forms.query.elements.image.files];
  data.append("thumbnails", "true");
  const { answers } = await ask("/query", { method: "POST", body: data });
  $("legend").hidden = !about.calibrated;
  $("answers").replaceChildren(...answers.map((answer, place) => shownAnswer(answer, isTrack ? files : [files[place]])));
  $("answers").scrollIntoView({ block: "nearest" });
  const matched = answers.filter((answer) => answer.match).length;
  const found = about.calibrated ? `, ${matched} with a match` : "";
  return `${plural(answers.length, "query", "queries")}${found}`;
});

function kindOf(answer) {
  if (answer.verdict.includes("undecided")) return "u";
  return answer.match === true ? "m" : answer.verdict === "not calibrated" ? "" : "r";
}

function shownAnswer(answer, files) {
  const picture = made("img", { src: URL.createObjectURL(files[0]), alt: "the image asked for" });
  const withheld = answer.withheld && answer.withheld.number ? `${plural(answer.withheld.number, "image", "images")} below the threshold withheld` : "";
  const who = made("div", { className: "who" }, picture, made("b", { textContent: answer.query }), made("div", { className: `verdict ${kindOf(answer)}`, textContent: answer.verdict }), withheld ? made("div", { className: "soft", textContent: withheld }) : null);
  const list = made("div", { className: "list" });
  list.setAttribute("role", "list");
  list.append(...answer.hits.map(shownHit));
  return made("article", { className: "entry" }, who, list);
}

function shownHit(hit) {
  const [kind, sign] = hit.match ? SIGNS[hit.match.answer] : ["", ""];
  const score = hit.match ? `P ${hit.match.probability.toFixed(2)} · ${hit.score.toFixed(3)}` : hit.score.toFixed(3);
  const says = `${hit.match ? hit.match.answer : "score"} ${score}, ${noun} ${hit.person || "unknown"}`;
  const inside = hit.thumbnail ? made("img", { src: hit.thumbnail, alt: says, title: hit.path }) : made("span", { className: "gone", textContent: "no image is kept", title: hit.path });
  const tile = made("div", { className: `tile ${kind || "r"}` }, made("span", { className: "frame" }, inside),
    sign ? made("span", { className: "sign", textContent: sign, ariaHidden: "true" }) : null, made("b", { textContent: hit.person || "unknown" }),
    made("div", { textContent: score }), hit.camera ? made("div", { textContent: hit.camera }) : null, hit.time ? made("div", { textContent: when(hit.time) }) : null);
  tile.setAttribute("role", "listitem");
  if (session.acts.includes("erase")) tile.append(eraser("Erase …", hit, tile));
  return tile;
}

function eraser(label, row, node) {
  const name = row.person ? `the image of ${row.person}` : "this image";
  return made("button", { type: "button", className: "danger", textContent: label, ariaLabel: `Erase ${name}`, onclick: () => erase({ path: [row.path] }, `Erase ${name} (${row.path})?`, () => node.remove()) });
}

function sure(text) {
  $("sure_text").textContent = text;
  $("sure").returnValue = "no";
  $("sure").showModal();
  return new Promise((resolve) => $("sure").addEventListener("close", () => resolve($("sure").returnValue === "yes"), { once: true }));
}

async function erase(which, question, done) {
  if (!(await sure(`${question} It cannot be brought back.`))) return;
  await run(async () => {
    const result = await ask("/erase", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(which) });
    about.images = result.images;
    showFacts();
    done();
    return `${plural(result.erased, "image is", "images are")} erased; ${result.images.toLocaleString()} left`;
  });
}

on(forms.enrol, async () => {
  const result = await ask("/enrol", { method: "POST", body: body(forms.enrol) });
  about.images += result.added;
  showFacts();
  held.enrol.clear();
  const known = result.known ? `, ${result.known} known by their content` : "";
  const refused = result.refused.length ? `; refused: ${result.refused.join("; ")}` : "";
  return `${plural(result.added, "image is", "images are")} enrolled${known}${refused}`;
});

function cells(row, values) {
  row.append(...values.map(([name, value, className = ""]) => {
    const cell = made("td", { className }, ...(value instanceof Node ? [value] : value ? [made("span", { textContent: value })] : []));
    if (name && value) cell.dataset.name = name;
    return cell;
  }));
  return row;
}

on(forms.list, async () => {
  const result = await ask(`/list?${new URLSearchParams([...fields(forms.list)])}`);
  $("rows").replaceChildren(...result.rows.map((each) => {
    const row = made("tr");
    const last = session.acts.includes("erase") ? eraser("Erase …", each, row) : null;
    return cells(row, [["number", String(each.number), "number"], [noun, each.person || "–"], ["camera", each.camera || "–"], ["time", when(each.time) || "–", "time"], ["image", made("span", { className: "path", textContent: each.path })], ["", last]]);
  }));
  const cut = result.rows.length < result.images ? `, the first ${result.rows.length.toLocaleString()} shown` : "";
  $("list_count").textContent = plural(result.images, "image", "images") + cut;
});

forms.erase.addEventListener("submit", (event) => {
  event.preventDefault();
  const given = fields(forms.erase), which = {};
  for (const [name, value] of given) which[name] = name === "person" || name === "camera" ? [value] : value;
  if (!given.size) return run(async () => { throw new Error("nothing says which images to erase; fill in a field"); });
  const words = [...given].map(([name, value]) => `${name} ${value}`).join(", ");
  return erase(which, `Erase all images with ${words}?`, () => forms.erase.reset());
});

const OWN = ["n", "time", "who", "act", "state", "purpose", "after", "policy"];
on(forms.audit, async () => {
  const result = await ask(`/audit?${new URLSearchParams([...fields(forms.audit)])}`);
  $("lines").replaceChildren(...result.shown.reverse().map((line) => {
    const more = Object.entries(line).filter(([key]) => !OWN.includes(key)).map(([key, value]) => `${key} ${typeof value === "object" ? JSON.stringify(value) : value}`).join(" · ");
    return cells(made("tr"), [["n", String(line.n), "number"], ["time", when(line.time), "time"], ["who", line.who], ["what", line.act], ["ended", line.state, `state-${line.state}`], ["what for", line.purpose || ""], ["more", made("span", { className: "more", textContent: more })]]);
  }));
  const cut = result.shown.length < result.lines ? `, the last ${result.shown.length.toLocaleString()} shown` : "";
  $("audit_count").textContent = `${plural(result.lines, "line", "lines")}, newest first${cut}`;
});
for (const act of ["query", "enrol", "list", "export", "erase", "expire", "audit", "verify", "rotate", "token"]) forms.audit.elements.act.append(made("option", { textContent: act }));

$("verify").addEventListener("click", () => run(async () => {
  const { faults } = await ask("/verify", { method: "POST" });
  $("faults").replaceChildren(...faults.map((fault) => made("li", { className: "state-failed", textContent: fault })));
  $("faults").hidden = !faults.length;
  if (faults.length) throw new Error(`${plural(faults.length, "thing is", "things are")} wrong with the log or the images`);
  return "The log and the images are whole.";
}));

run(start);
