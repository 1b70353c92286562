// Knock's published JavaScript clients, unmodified: one base URL is all that a team changes.
import assert from "node:assert/strict";
import { createSign, generateKeyPairSync } from "node:crypto";
import { after, before, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";

import Client from "@knocklabs/client";
import Knock from "@knocklabs/node";

import { ADMIN_KEY, operator, startServer } from "./server.js";

let server;
let knock;
let publicKey;

before(async () => {
  server = await startServer();
  knock = new Knock({ apiKey: ADMIN_KEY, baseURL: server.url, maxRetries: 0 });
  const issued = await operator(server.url, "POST", "/ledger/v1/keys", {
    name: "web",
    kind: "public",
    scopes: ["read", "publish"],
  });
  publicKey = issued.key;
});

after(() => server?.stop());

test("the server-side client sets, gets, lists and unsets preferences", async () => {
  const body = { workflows: { "dinosaurs-loose": { channel_types: { email: false } } }, channel_types: { sms: true } };
  const put = await knock.users.setPreferences("jhammond", "default", body);
  assert.deepEqual(await knock.users.getPreferences("jhammond", "default"), put);
  assert.deepEqual(put.workflows, body.workflows);
  assert.equal((await knock.users.listPreferences("jhammond")).length, 1);
  await knock.users.setPreferences("jhammond", "default", {
    workflows: { "dinosaurs-loose": { channel_types: { push: false } } },
    __persistence_strategy__: "merge",
  });
  const merged = await knock.users.getPreferences("jhammond", "default");
  assert.deepEqual(merged.workflows["dinosaurs-loose"].channel_types, { email: false, push: false });
  await knock.users.unsetPreferences("jhammond", "default");
  assert.deepEqual(await knock.users.listPreferences("jhammond"), []);
});

test("objects, tenants, inline preferences and triggers", async () => {
  const put = await knock.objects.setPreferences("projects", "a/b c", "default", { channel_types: { email: false } });
  assert.deepEqual(await knock.objects.getPreferences("projects", "a/b c", "default"), put);
  const tenant = await knock.tenants.set("acme", { settings: { preference_set: { channel_types: { sms: false } } } });
  assert.deepEqual(tenant.settings.preference_set.channel_types, { sms: false });
  const user = await knock.users.update("ellie", { name: "Ellie", preferences: { acme: { workflows: { w: false } } } });
  assert.equal(user.name, "Ellie");
  const seen = await knock.users.getPreferences("ellie", "acme");
  assert.deepEqual([seen.workflows, seen.channel_types], [{ w: false }, { sms: false }]);
  const run = await knock.workflows.trigger("w", { recipients: ["ellie"], tenant: "acme" });
  const decided = await operator(server.url, "GET", `/ledger/v1/workflow-runs/${run.workflow_run_id}`);
  assert.ok(decided.evaluation.results[0].decisions.every((decision) => decision.deliver === false));
  const ids = [];
  for await (const one of knock.users.list({ page_size: 1, include: ["preferences"] })) ids.push(one.id);
  assert.ok(ids.includes("ellie") && ids.includes("jhammond"));
});

test("a bulk operation is followed to its end", async () => {
  const users = Array.from({ length: 60 }, (_, number) => `bulk-${number}`);
  let operation = await knock.users.bulk.setPreferences({ user_ids: users, preferences: { workflows: { w: false } } });
  while (operation.status !== "completed") {
    await wait(20);
    operation = await knock.bulkOperations.get(operation.id);
  }
  assert.deepEqual([operation.processed_rows, operation.success_count, operation.error_count], [60, 60, 0]);
});

test("errors are the client's own classes, with Knock's code", async () => {
  await assert.rejects(knock.users.setPreferences("x", "default", { channel_types: { pigeon: true } }), (error) => {
    assert.ok(error instanceof Knock.UnprocessableEntityError);
    assert.equal(error.error.code, "invalid_params");
    return true;
  });
  await assert.rejects(knock.users.get("nobody"), Knock.NotFoundError);
  const stranger = new Knock({ apiKey: "sk_nobody", baseURL: server.url, maxRetries: 0 });
  await assert.rejects(stranger.users.get("nobody"), Knock.AuthenticationError);
});

test("the browser client reads, writes, and writes back what it read", async () => {
  const client = new Client(publicKey, { host: server.url });
  client.authenticate({ id: "nedry", name: "Dennis" });
  const empty = await client.user.getPreferences();
  assert.deepEqual([empty.id, empty.workflows, empty.channel_types], ["default", null, null]);
  const put = await client.user.setPreferences({ workflows: { w: { channel_types: { email: false } } } });
  const read = await client.user.getPreferences({ tenant: "nobody-inc" });
  assert.deepEqual(read, put);
  assert.deepEqual(await client.user.setPreferences(read), read);
  await client.user.setPreferences({ workflows: { v: false } }, { preferenceSet: "acme" });
  assert.deepEqual((await client.user.getAllPreferences()).map((set) => set.id), ["default", "acme"]);
  const parts = client.preferences;
  await parts.setChannelType("push", false);
  await parts.setWorkflow("x", false);
  const whole = await parts.setCategories({ news: { channel_types: { sms: false } } });
  assert.deepEqual(whole.categories, { news: { channel_types: { sms: false } } });
  assert.equal(whole.channel_types.push, false);
  assert.equal(whole.workflows.x, false);
  client.teardown();
});

test("once there is a signing key, the browser client needs a user token for its own user", async () => {
  const pair = generateKeyPairSync("rsa", { modulusLength: 2048 });
  await operator(server.url, "POST", "/ledger/v1/signing-keys", {
    name: "test",
    public_key_pem: pair.publicKey.export({ type: "spki", format: "pem" }),
  });
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const now = Math.floor(Date.now() / 1000);
  const signed = `${part({ alg: "RS256", typ: "JWT" })}.${part({ sub: "nedry", iat: now, exp: now + 3600 })}`;
  const token = `${signed}.${createSign("RSA-SHA256").update(signed).sign(pair.privateKey, "base64url")}`;
  const client = new Client(publicKey, { host: server.url });
  client.authenticate("nedry", token);
  assert.equal((await client.user.getPreferences()).id, "default");
  client.authenticate("ellie", token);
  await assert.rejects(client.user.getPreferences());
  client.authenticate("nedry");
  await assert.rejects(client.user.getPreferences());
  client.teardown();
});
