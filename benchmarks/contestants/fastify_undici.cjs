// Fastify and undici: one pool, Promise.all; its argument is the port.
"use strict";

const fastify = require("fastify")();
const { Pool } = require("undici");

const upstream = new URL(process.env.UPSTREAM);
const prefix = upstream.pathname.replace(/\/$/, "");
const pool = new Pool(upstream.origin, { connections: 64, headersTimeout: 30000, bodyTimeout: 30000 });
const numbers = Array.from({ length: 10 }, (_, number) => number);

async function part(number) {
  const { statusCode, body } = await pool.request({ method: "GET", path: `${prefix}/part/${number}` });
  if (statusCode !== 200) throw new Error(`part ${number}: status ${statusCode}`);
  return body.json();
}

fastify.get("/page", async () => Object.assign({}, ...(await Promise.all(numbers.map(part)))));

fastify.listen({ host: "127.0.0.1", port: Number(process.argv[2]) });
