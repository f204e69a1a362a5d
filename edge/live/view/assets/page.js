"use strict";
// Watches one stream: asks for the newest picture, shows it, and asks again. Nothing is queued: while
// this page is slow it sees fewer pictures, not older ones.

const by = (id) => document.getElementById(id);
const ages = [];        // milliseconds from capture to screen, of the newest pictures
const KEPT = 200;
const times = [];       // when pictures were shown
let clock = { offset: 0, trip: Infinity };   // of the device's clock to this one's
let last = -1;          // number of the newest picture
let over = false;       // the stream has ended, and does not come back
let shown = null;       // address of the picture that is shown

// The token is in the address once; it need not stay there, nor in the history.
history.replaceState(null, "", "/");

function both(zh, en) {
  const english = document.createElement("span");
  english.lang = "en";
  english.textContent = en;
  return [zh + " ", english];
}

function say(element, zh, en, kind) {
  const was = element.dataset.said, now = zh + en + kind;
  if (was === now) return;
  element.dataset.said = now;
  element.className = kind || "";
  element.replaceChildren(...both(zh, en));
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function ask(path, options) {
  return fetch(path, { cache: "no-store", credentials: "same-origin", ...options });
}

function act(path, body) {
  return ask(path, { method: "POST", headers: { "X-Edge-Live": "1" }, body });
}

// Pictures ------------------------------------------------------------------------------------

async function nextPicture() {
  const answer = await ask(`picture?after=${last}`);
  if (answer.status !== 200) {
    // None in time: the source is lost, or it has ended, and then what is shown must go at once.
    try { await state(); } catch { /* told of where the state is asked for */ }
    await pause(200);
    return null;
  }
  return {
    index: Number(answer.headers.get("x-index")),
    taken: Number(answer.headers.get("x-taken-ms")),
    data: await answer.blob(),
  };
}

async function show(picture) {
  const address = URL.createObjectURL(picture.data);
  const stream = by("stream"), ready = new Image();
  ready.src = address;   // decoded out of sight, so that nothing flickers
  try { await ready.decode(); } catch { URL.revokeObjectURL(address); return; }
  if (over) { URL.revokeObjectURL(address); return; }
  stream.src = address;
  if (shown) URL.revokeObjectURL(shown);
  shown = address;
  stream.hidden = false;
  by("veil").hidden = true;
  requestAnimationFrame(() => {   // it is drawn now; the next one is not held up for that
    const now = Date.now();
    ages.push(now + clock.offset - picture.taken);
    times.push(now);
    while (ages.length > KEPT) ages.shift();
    while (times.length && now - times[0] > 5000) times.shift();
  });
}

function blank() {
  const stream = by("stream");
  stream.hidden = true;
  stream.removeAttribute("src");
  by("original").removeAttribute("src");
  if (over) by("beside").hidden = true;
  if (shown) URL.revokeObjectURL(shown);
  shown = null;
  by("veil").hidden = false;
}

async function watch() {
  let coming = null;
  for (;;) {
    if (over || document.hidden) { coming = null; await pause(200); continue; }
    let picture = null;
    try { picture = await (coming || nextPicture()); } catch { await pause(500); }
    coming = null;
    if (!picture) continue;
    if (picture.index <= last) continue;
    last = picture.index;
    coming = nextPicture();   // on its way while this one is shown
    coming.catch(() => null);
    await show(picture);
  }
}

// State ---------------------------------------------------------------------------------------

const share = (sorted, part) => sorted[Math.round((sorted.length - 1) * part)];

function figures() {
  const now = Date.now();
  const recent = times.filter((time) => now - time < 5000);
  const rate = recent.length > 1 ? (recent.length - 1) / ((recent.at(-1) - recent[0]) / 1000) : 0;
  by("fps").dataset.shown = rate.toFixed(1);
  const sorted = [...ages].sort((a, b) => a - b);
  by("latency").textContent = sorted.length && recent.length
    ? `p50 ${share(sorted, 0.5).toFixed(0)} ms, p95 ${share(sorted, 0.95).toFixed(0)} ms` : "–";
  return rate;
}

const SOURCE = {
  running: ["正常", "running", ""], silent: ["没有画面", "no pictures", "warn"],
  lost: ["已断开，正在重试", "lost, trying again", "bad"], ended: ["已结束", "ended", ""],
};

function ofSource(source) {
  const [zh, en, kind] = SOURCE[source.state];
  const why = source.state === "lost" ? ` (${source.tries}): ${source.reason}` : "";
  say(by("source"), `${source.name} · ${zh}`, en + why, kind);
}

function ofConsent(consent) {
  const left = consent.seconds_left;
  const until = new Date(consent.until).toLocaleString();
  const soon = left < 3600 ? `, ${Math.floor(left / 60)} min ${left % 60} s` : "";
  say(by("consent"), `${until}${soon}`, `${consent.purpose}, ${consent.assurance}`, left < 60 ? "warn" : "");
}

function ofRecording(recording) {
  if (!recording) return say(by("recording"), "未录制", "off", "");
  if (recording.error) return say(by("recording"), "出错", recording.error, "bad");
  const lost = recording.dropped ? `, ${recording.dropped} frames left out` : "";
  const segments = recording.segments === 1 ? "1 segment" : `${recording.segments} segments`;
  say(by("recording"), "录制中", `on: ${segments}${lost}`, recording.dropped ? "warn" : "");
}

function ofHealth(health) {
  const heat = health.celsius === null ? "–" : `${health.celsius.toFixed(0)} °C`;
  if (health.slowed.length) say(by("heat"), `${heat} 已降频`, health.slowed.join(", "), "bad");
  else if (health.since_start.length) say(by("heat"), `${heat} 曾降频`, `before: ${health.since_start.join(", ")}`, "warn");
  else if (health.tells) say(by("heat"), `${heat} 未降频`, "not throttled", "");
  else say(by("heat"), heat, "this machine does not tell of throttling", "");
  const watts = health.watts === null ? "" : `${health.watts.toFixed(1)} W`;
  const mode = [health.mode, watts].filter(Boolean).join(", ");
  if (mode) say(by("power"), mode, "", "");
  else say(by("power"), "–", "this machine does not tell", "");
}

function ended(reason) {
  over = true;
  last = -1;
  blank();
  by("veil").replaceChildren(...both(`已停止：${reason}`, `stopped: ${reason}`));
  say(by("state"), "已停止", "stopped", "bad");
  by("stop").disabled = true;
}

const PURPOSE = {
  film: "影视", game: "游戏", anonymise: "匿名化", avatar: "虚拟形象", research: "研究", art: "艺术",
};

function ofKiosk(kiosk) {
  const form = kiosk.stage === "form";
  by("kiosk").hidden = !(form || kiosk.stage === "erased");
  by("form").hidden = !form;
  by("erased").hidden = kiosk.stage !== "erased";
  by("watch").hidden = kiosk.stage !== "visit";
  by("stop").hidden = true;
  by("visit").hidden = kiosk.stage !== "visit";
  by("purpose").replaceChildren(...both(PURPOSE[kiosk.purpose] || "", kiosk.purpose));
  by("agent").textContent = kiosk.agent;
  say(by("minutes"), `${kiosk.minutes} 分钟后，或您按“结束”时`, `${kiosk.minutes} ${kiosk.minutes === 1 ? "minute" : "minutes"} from now, or when you press “End”`, "");
  by("left").replaceChildren(...both(`还有 ${kiosk.seconds_left} 秒`, `${kiosk.seconds_left} s left`));
  if (kiosk.kept.length) {
    by("gone").replaceChildren(...both("未能全部删除，请告知见证人：", `NOT ALL could be erased, tell the attendant: ${kiosk.kept.join("; ")}`));
  } else if (kiosk.stage === "erased") {
    by("gone").replaceChildren(...both("本机已删除您的照片、人脸特征和身份文件，账本中已记录。",
      "The device has erased your pictures, the embedding and the identity file, and the ledger says so."));
  }
  if (form) say(by("state"), "摄像头已关闭", "the camera is off", "good");
  else if (kiosk.stage === "erased") say(by("state"), "访问已结束", "the visit has ended", "good");
  else if (kiosk.stage === "preparing") say(by("state"), "正在拍照", "taking pictures", "warn");
}

async function state() {
  const before = Date.now();
  const answer = await ask("status");
  if (answer.status !== 200) throw new Error(await answer.text());
  const status = await answer.json();
  const after = Date.now(), trip = after - before;
  if (trip <= clock.trip + 2) clock = { offset: status.now_ms - (before + after) / 2, trip };
  const rate = figures();
  if (status.kiosk) ofKiosk(status.kiosk);
  if (status.state === "idle") { last = -1; blank(); return; }
  by("fps").textContent = `${rate.toFixed(1)} / ${status.fps.toFixed(1)}`;
  ofSource(status.source);
  ofConsent(status.consent);
  ofRecording(status.recording);
  ofHealth(status.health);
  if (status.state === "ended" && !status.kiosk) return ended(status.reason);
  if (status.source.state === "running") say(by("state"), "正在播放，带标识", "running, labelled", "good");
  else say(by("state"), "画面来源中断", "the source is gone", "warn");
  by("beside").hidden = !status.beside;
  by("watch").classList.toggle("two", status.beside || Boolean(status.kiosk));
}

async function keepState() {
  let failures = 0;
  while (!over) {
    try { await state(); failures = 0; } catch (error) {
      failures += 1;
      if (failures > 2) { ended("没有回应 no answer from the device"); return; }
    }
    await pause(document.hidden ? 3000 : 700);
  }
}

async function keepBeside() {
  for (;;) {
    await pause(250);
    if (over || by("beside").hidden || document.hidden) continue;
    try {
      const answer = await ask("original");
      if (answer.status !== 200) continue;
      const address = URL.createObjectURL(await answer.blob());
      const before = by("original").src;
      by("original").src = address;
      if (before) URL.revokeObjectURL(before);
    } catch { /* the state says what is wrong */ }
  }
}

// What a person does --------------------------------------------------------------------------

by("stop").addEventListener("click", async () => {
  by("stop").disabled = true;
  try {
    const answer = await act("stop");
    ended((await answer.json()).reason);
  } catch { by("stop").disabled = false; }
});

by("end").addEventListener("click", async () => {
  by("end").disabled = true;
  blank();
  try { await act("end"); await state(); } finally { by("end").disabled = false; }
});

by("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = by("form"), button = form.querySelector("button");
  const values = Object.fromEntries(new FormData(form));
  for (const name of ["adult", "mine", "agree"]) values[name] = form.elements[name].checked;
  button.disabled = true;
  by("refused").hidden = true;
  try {
    const answer = await act("begin", JSON.stringify(values));
    const said = await answer.json();
    if (!answer.ok) throw new Error(said.error);
    form.reset();
    last = -1;
    ages.length = times.length = 0;
    await state();
  } catch (error) {
    form.elements.passphrase.value = "";
    by("refused").textContent = error.message;
    by("refused").hidden = false;
  } finally { button.disabled = false; }
});

keepState();
keepBeside();
watch();
