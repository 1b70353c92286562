// A node of the ledger as its users run it: a process of its own on a folder that goes away afterwards.
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const READY_SECONDS_MAX = 60;

export const ADMIN_KEY = "operator-key-of-the-tests";

const freePort = () =>
  new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

export async function startServer() {
  const folder = await mkdtemp(join(tmpdir(), "prefledger-node-"));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const python = process.env.PREFLEDGER_TEST_PYTHON ?? join(ROOT, ".venv", "bin", "python");
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("PREFLEDGER_"));
  const child = spawn(python, ["-P", "-m", "services.cli", "serve", "--port", String(port), "--data", join(folder, "data")], {
    cwd: ROOT,
    env: { ...Object.fromEntries(inherited), PYTHONPATH: ROOT, PREFLEDGER_ADMIN_KEY: ADMIN_KEY },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let words = "";
  child.stderr.on("data", (chunk) => (words = (words + chunk).slice(-4000)));
  const stop = async () => {
    if (child.exitCode === null) {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGTERM");
      await ended;
    }
    await rm(folder, { recursive: true, force: true });
  };
  const deadline = Date.now() + READY_SECONDS_MAX * 1000;
  while (Date.now() < deadline && child.exitCode === null) {
    const ready = await fetch(`${url}/readyz`).catch(() => null);
    if (ready?.ok) return { url, stop };
    await wait(50);
  }
  await stop();
  throw new Error(`the server was not ready within ${READY_SECONDS_MAX} s. Its last words:\n${words}`);
}

export async function operator(url, method, path, body) {
  const answer = await fetch(url + path, {
    method,
    headers: { authorization: `Bearer ${ADMIN_KEY}`, "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}
