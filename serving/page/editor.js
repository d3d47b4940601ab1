// The page around the painting area. Gradio gives `element`, `trigger`, `upload`, `watch` and `props`.

let image = null; // path on the server, name, width, height, url of the view
let serial = 0;
let busy = false;
let said = 0; // messages that were an end and not a beginning

// ---- what the visitor sees

const chosen = () => props.bundles.find((bundle) => bundle.name === find(".bundle").value);
const fixed = () => chosen().fixed;

function say(text, isError = false) {
  message.textContent = text;
  message.classList.toggle("error", isError);
  if (!busy) find(".editor").dataset.said = ++said;
}

function update() {
  find(".editor").setAttribute("aria-busy", busy);
  for (const name of [".fill", ".choose-mask", ".clear"]) find(name).disabled = !image || busy;
  find(".undo").disabled = !operations.length;
  find(".redo").disabled = !undone.length;
  find(".tools").hidden = Boolean(fixed());
  find(".choose-mask").hidden = Boolean(fixed());
}

function wait(text) {
  busy = Boolean(text);
  if (text) say(text);
  update();
}

async function show(answer) {
  image = { ...answer, view: answer.view.url };
  [paint.width, paint.height] = answer.view_size;
  keyboard = { x: Math.round(paint.width / 2), y: Math.round(paint.height / 2), down: false };
  [operations, undone, stroke] = [[], [], null];
  view.src = image.view;
  stage.hidden = false;
  for (const frame of [stage, find(".compare")]) frame.style.width = `min(100%, calc(70vh * ${paint.width / paint.height}))`;
  await view.decode().catch(() => {});
  redraw();
}

async function showMask(answer) {
  const drawn = new Image();
  drawn.src = answer.view.url;
  await drawn.decode();
  const canvas = Object.assign(document.createElement("canvas"), { width: paint.width, height: paint.height });
  const target = canvas.getContext("2d");
  target.drawImage(drawn, 0, 0);
  const pixels = target.getImageData(0, 0, canvas.width, canvas.height);
  for (let i = 0; i < pixels.data.length; i += 4) pixels.data.set([230, 30, 30, pixels.data[i] < HALF ? 0 : 255], i);
  target.putImageData(pixels, 0, 0);
  operations.push({ kind: "clear" }, { kind: "mask", canvas, path: answer.path });
  redraw();
}

function showResult(answer) {
  const link = find(".download");
  [find(".before").src, find(".after").src] = [image.view, answer.view.url];
  [link.href, link.download] = [answer.result.url, answer.name];
  const holes = answer.hole_ratio === null ? "" : `, ${(100 * answer.hole_ratio).toFixed(1)} % of it hole`;
  find(".report").textContent =
    `${answer.width} x ${answer.height} pixels${holes}: ${answer.seconds.toFixed(2)} s by ${answer.backend}.`;
  find(".report").title = answer.why;
  find(".result").hidden = false;
  find(".continue").onclick = async () => {
    await show(answer);
    find(".result").hidden = true;
    say("Paint over what is still to go.");
    paint.focus();
  };
  find(".result").scrollIntoView({ behavior: "smooth", block: "nearest" });
}

// ---- requests

function ask(event, data) {
  trigger(event, { ...data, serial: ++serial });
}

async function send(file) {
  try {
    return (await upload(file)).path;
  } catch (error) {
    const text = String(error.message || error);
    wait("");
    say(/maximum|size|large/i.test(text) ? `${file.name}: is larger than this server takes` : `The upload failed: ${text}`, true);
    return null;
  }
}

async function open(file, event) {
  if (!file || busy) return;
  wait(`Opening ${file.name} ...`);
  const path = file.size ? await send(file) : "";
  if (path === "") {
    wait("");
    say(`${file.name}: is empty; choose another file`, true);
  } else if (path) ask(event, { path, name: file.name, width: image?.width, height: image?.height });
}

function paintedMask() {
  const pixels = context.getImageData(0, 0, paint.width, paint.height);
  let holes = 0;
  for (let i = 0; i < pixels.data.length; i += 4) {
    const value = pixels.data[i + 3] < HALF ? 0 : 255;
    holes += value;
    pixels.data.set([value, value, value, 255], i);
  }
  if (!holes) return null;
  const canvas = Object.assign(document.createElement("canvas"), { width: paint.width, height: paint.height });
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return new Promise((resolve) => canvas.toBlob((blob) => resolve(new File([blob], "mask.png")), "image/png"));
}

async function fill() {
  if (busy || !image) return;
  if (keyboard.down) press();
  const asked = { image: image.path, name: image.name, bundle: chosen().name };
  const last = operations[operations.length - 1];
  if (last?.kind === "mask") asked.mask = last.path; // as it was uploaded, at the image's own size
  else if (!fixed()) {
    const mask = await paintedMask();
    if (!mask) return say("Paint over what is to be filled first.", true);
    wait("Sending the mask ...");
    [asked.mask, asked.painted] = [await send(mask), true];
    if (!asked.mask) return;
  }
  wait("Filling ...");
  ask("fill", asked);
}

const ANSWERS = {
  error: (answer) => say(answer.error, true),
  image: async (answer) => {
    await show(answer);
    find(".result").hidden = true;
    say(`${answer.name}: ${answer.width} x ${answer.height} pixels. Paint over what is to go.`);
  },
  mask: async (answer) => {
    await showMask(answer);
    say(`${answer.name} is the mask; it can be painted on.`);
  },
  filled: (answer) => {
    showResult(answer);
    say("Filled.");
  },
};

watch("value", async () => {
  wait("");
  await ANSWERS[props.value.kind]?.(props.value);
});

// ---- controls

for (const [button, input, event] of [
  [".choose", ".image-file", "openimage"],
  [".choose-mask", ".mask-file", "openmask"],
]) {
  find(button).onclick = () => find(input).click();
  find(input).onchange = () => {
    open(find(input).files[0], event);
    find(input).value = ""; // so that the same file can be chosen again
  };
}
for (const button of element.querySelectorAll("[data-tool]"))
  button.onclick = () => {
    tool = button.dataset.tool;
    for (const other of element.querySelectorAll("[data-tool]")) other.setAttribute("aria-pressed", other === button);
  };
find(".undo").onclick = () => move(operations, undone);
find(".redo").onclick = () => move(undone, operations);
find(".clear").onclick = () => {
  operations.push({ kind: "clear" });
  redraw();
};
find(".fill").onclick = fill;
find(".slider").oninput = (event) => {
  find(".before").style.clipPath = `inset(0 ${100 - event.target.value}% 0 0)`;
  find(".compare").style.setProperty("--cut", event.target.value + "%");
};
for (const { name } of props.bundles) find(".bundle").add(new Option(name, name));
find(".offer").hidden = props.bundles.length < 2;
find(".bundle").onchange = update;

element.addEventListener("dragover", (event) => {
  event.preventDefault();
  element.classList.add("dropping");
});
for (const name of ["dragleave", "drop"]) element.addEventListener(name, () => element.classList.remove("dropping"));
element.addEventListener("drop", (event) => {
  event.preventDefault();
  open(event.dataTransfer.files[0], "openimage");
});
document.addEventListener("paste", (event) => open(event.clipboardData?.files[0], "openimage"));
update();
