// The painting area; editor.js follows it in the same function, whose arguments Gradio gives.
// What was painted is a list of operations; undoing drops the last one and draws the others again. The canvas has the
// size of the image's view, its alpha is the mask, and the server gets a black and white PNG of it.

const find = (selector) => element.querySelector(selector);
const [stage, view, paint, cursor, message] = [".stage", ".view", ".paint", ".cursor", ".message"].map(find);
const context = paint.getContext("2d", { willReadFrequently: true });
const COLOUR = "#e61e1e";
const HALF = 128; // of the alpha: what an edge covers by half is hole

let operations = [];
let undone = [];
let tool = "brush";
let stroke = null; // the operation that the pointer or the keyboard is making
let keyboard = { x: 0, y: 0, down: false };

// ---- painting

function draw(operation) {
  const { kind, points, size } = operation;
  context.globalCompositeOperation = kind === "eraser" ? "destination-out" : "source-over";
  context.fillStyle = context.strokeStyle = COLOUR;
  if (kind === "mask") {
    context.drawImage(operation.canvas, 0, 0);
  } else if (kind === "clear") {
    context.clearRect(0, 0, paint.width, paint.height);
  } else if (kind === "rectangle") {
    const [a, b] = [points[0], points[points.length - 1]];
    const [left, top] = [Math.floor(Math.min(a.x, b.x)), Math.floor(Math.min(a.y, b.y))];
    context.fillRect(left, top, Math.ceil(Math.max(a.x, b.x)) - left, Math.ceil(Math.max(a.y, b.y)) - top);
  } else {
    context.lineWidth = size;
    context.lineCap = context.lineJoin = "round";
    context.beginPath();
    context.moveTo(points[0].x, points[0].y);
    for (const point of points) context.lineTo(point.x, point.y);
    context.stroke();
  }
}

function redraw() {
  context.globalCompositeOperation = "source-over";
  context.clearRect(0, 0, paint.width, paint.height);
  operations.forEach(draw);
  if (stroke) draw(stroke);
  update();
}

function begin(point) {
  stroke = { kind: tool, size: Number(find(".size").value) * scale(), points: [point] };
  redraw();
}

function extend(point) {
  stroke.points.push(point);
  if (stroke.kind === "rectangle") redraw();
  else draw({ ...stroke, points: stroke.points.slice(-2) });
}

function finish() {
  if (!stroke) return;
  operations.push(stroke);
  undone = [];
  stroke = null;
  redraw();
}

function move(from, to) {
  if (!from.length) return;
  to.push(from.pop());
  redraw();
}

// ---- pointer and keyboard

const scale = () => paint.width / (paint.getBoundingClientRect().width || 1); // the view's pixels in one of the screen's

function pointOf(event) {
  const box = paint.getBoundingClientRect();
  return { x: (event.clientX - box.left) * scale(), y: (event.clientY - box.top) * scale() };
}

function showCursor(point, down) {
  const size = tool === "rectangle" ? 10 : Number(find(".size").value);
  cursor.hidden = false;
  cursor.classList.toggle("square", tool === "rectangle");
  cursor.classList.toggle("down", down);
  Object.assign(cursor.style, {
    left: (100 * point.x) / paint.width + "%",
    top: (100 * point.y) / paint.height + "%",
    width: size + "px",
    height: size + "px",
  });
}

paint.addEventListener("pointerdown", (event) => {
  if (event.button || fixed() || keyboard.down) return;
  paint.setPointerCapture(event.pointerId);
  begin(pointOf(event));
});
paint.addEventListener("pointermove", (event) => {
  if (!keyboard.down) showCursor(pointOf(event), Boolean(stroke));
  if (stroke && !keyboard.down) (event.getCoalescedEvents?.() || [event]).map(pointOf).forEach(extend);
});
for (const name of ["pointerup", "pointercancel"]) paint.addEventListener(name, () => keyboard.down || finish());
paint.addEventListener("pointerleave", () => (cursor.hidden = document.activeElement !== paint));
paint.addEventListener("focus", () => showCursor(keyboard, false));
paint.addEventListener("blur", () => {
  if (keyboard.down) press();
  cursor.hidden = true;
});

function press() {
  keyboard.down = !keyboard.down;
  if (keyboard.down) begin({ x: keyboard.x, y: keyboard.y });
  else finish();
  showCursor(keyboard, keyboard.down);
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
paint.addEventListener("keydown", (event) => {
  const control = event.ctrlKey || event.metaKey;
  if (control && event.key.toLowerCase() === "z") event.shiftKey ? move(undone, operations) : move(operations, undone);
  else if (event.key === " " && !fixed()) press();
  else if (ARROWS[event.key]) {
    const [x, y] = ARROWS[event.key];
    const step = event.shiftKey ? 1 : 10;
    keyboard.x = Math.min(paint.width, Math.max(0, keyboard.x + x * step));
    keyboard.y = Math.min(paint.height, Math.max(0, keyboard.y + y * step));
    if (keyboard.down) extend({ x: keyboard.x, y: keyboard.y });
    showCursor(keyboard, keyboard.down);
  } else return;
  event.preventDefault();
});
