// Looks at the panel in a real Chromium: node browser.mjs <scenario> <address> <folder for a picture>. Fails by raising.

import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const [scenario, base, folder] = process.argv.slice(2);
const PANEL = `${base}/_fastdag/`;
const PRODUCT = "GET /products/{id:int}";
const at = (route) => `${PANEL}#${encodeURIComponent(route)}`;
const complaints = [];
const asked = new Set();

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

async function open(address, options = {}) {
  const page = await browser.newPage({ viewport: { width: 1360, height: 900 }, ...options });
  page.setDefaultTimeout(10_000);
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => asked.add(new URL(request.url()).origin));
  await page.goto(address);
  return page;
}

const request = (path) => fetch(base + path).then((answer) => assert.equal(answer.status, 200));
const focused = (page) => page.evaluate(() => document.activeElement.dataset.node ?? (document.activeElement.id || document.activeElement.textContent));

/** Contrast of a text with what is behind it (WCAG 2.2, 1.4.3), for the first element of each selector. */
const contrasts = (page, selectors) =>
  page.evaluate((selectors) => {
    const rgb = (colour) => colour.match(/[\d.]+/g).map(Number);
    const luminance = (colour) => {
      const [r, g, b] = rgb(colour).slice(0, 3).map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element) => {
      for (let one = element; one; one = one.parentElement) {
        const colour = getComputedStyle(one).backgroundColor;
        if (rgb(colour)[3] !== 0) return colour;
      }
    };
    return selectors.map((selector) => {
      const element = document.querySelector(selector);
      const [a, b] = [luminance(getComputedStyle(element).color), luminance(behind(element))].sort((x, y) => y - x);
      return [selector, (a + 0.05) / (b + 0.05)];
    });
  }, selectors);

const scenarios = {
  async renders() {
    await request("/products/42");
    const page = await open(at(PRODUCT));
    await page.waitForSelector("#waterfall .lane span");
    assert.equal(await page.locator("#title").textContent(), PRODUCT);
    const nodes = await page.locator("#graph .node").evaluateAll((found) => found.map((node) => node.dataset.node));
    assert.deepEqual(nodes.sort(), ["price", "product", "recommendations", "related", "related_prices", "related_products", "reviews", "seller", "stock"]);
    assert.equal(await page.locator("#graph .edge").count(), 5);
    assert.equal(await page.locator("#graph .edge.optional").count(), 1);
    assert.equal(await page.locator("#routes a").count(), 5);
    assert.equal(await page.locator("#waterfall tbody tr").count(), nodes.length);
    assert.match(await page.locator('[data-node="product"]').getAttribute("aria-label"), /^product, catalogue.*, p50 [\d.]+ m?s, p95 [\d.]+ m?s, 0 % errors$/);
    assert.match(await page.locator("#upstreams").textContent(), /reviews.*Breaker.*closed.*Cache.*off/);
    await page.screenshot({ path: `${folder}/renders.png`, fullPage: true });
  },

  async empty() {
    const page = await open(at("POST /orders"));
    await page.waitForSelector("#none:not([hidden])");
    assert.ok(await page.locator("#time").isHidden());
    assert.match(await page.locator('[data-node="total"]').getAttribute("aria-label"), /function, not run yet/);
  },

  async caches() {
    for (let i = 0; i < 4; i += 1) await request("/cached/42");
    const page = await open(at("GET /cached/{id:int}"));
    const node = page.locator("#graph .node");
    await page.waitForFunction(() => document.querySelector("#graph .node").textContent.includes("cache 75 %"));
    assert.equal(await node.getAttribute("data-node"), "<product> & 'more'");
    await node.click();
    assert.match(await page.locator("#drawer").textContent(), /Cache75 % hits, 1 entries, 1 KiB/);
  },

  async updates() {
    const page = await open(at(PRODUCT));
    await page.waitForSelector('#link[data-state="live"]');
    const count = () => page.locator("#tiles dd").last().textContent().then(Number);
    const before = await count();
    const picture = await page.locator("#graph svg").elementHandle();
    await request("/products/42");
    await page.waitForFunction((more) => Number([...document.querySelectorAll("#tiles dd")].at(-1).textContent) >= more, before + 1);
    await page.waitForSelector("#waterfall .lane span");
    assert.ok(await picture.evaluate((svg) => svg.isConnected), "the graph is brought up to date, not drawn anew");
    await page.click('#routes a[href$="search"]');
    await page.waitForFunction(() => document.querySelector("#title").textContent === "GET /search");
    assert.equal(await page.locator('#routes a[aria-current="page"] .code').textContent(), "GET /search");
    await page.goBack();
    await page.waitForFunction(() => document.querySelectorAll("#graph .node").length === 9);
  },

  async holds() {
    await request("/products/42");
    const page = await open(at(PRODUCT));
    await page.waitForSelector("#requests tr");
    await page.click("#hold");
    const before = await page.locator("#requests tr").count();
    const seen = Number(await page.locator("#tiles dd").last().textContent());
    await request("/products/41");
    await page.waitForFunction((seen) => Number([...document.querySelectorAll("#tiles dd")].at(-1).textContent) > seen, seen);
    assert.equal(await page.locator("#requests tr").count(), before);
    await page.click("#hold");
    assert.equal(await page.locator("#requests tr").count(), before + 1);
  },

  async keyboard() {
    await request("/products/42");
    const page = await open(at(PRODUCT));
    await page.waitForSelector("#requests tr");
    await page.keyboard.press("Tab");
    assert.equal(await focused(page), "Skip to the route");
    const order = [];
    for (let i = 0; i < 8; i += 1) {
      await page.keyboard.press("Tab");
      order.push(await focused(page));
    }
    assert.deepEqual(order.slice(5, 8), ["graph", "product", "price"], `after the five routes: ${order}`);
    await page.locator('[data-node="related"]').focus();
    await page.keyboard.press("ArrowRight");
    assert.equal(await focused(page), "related_products");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#drawer:not([hidden])");
    assert.equal(await focused(page), "Close");
    assert.match(await page.locator("#drawer").textContent(), /related_products.*GET \/products.*GET catalogue 200/);
    await page.keyboard.press("Escape");
    assert.ok(await page.locator("#drawer").isHidden());
    assert.equal(await focused(page), "related_products");
    await page.locator("#times input").first().focus();
    for (let i = 0; i < 10; i += 1) await page.keyboard.press("ArrowRight");
    await page.waitForSelector("#what-if.set");
    assert.match(await page.locator("#what-if").textContent(), /^p50 .* → .*, p95 .* → .*Reset$/);
    assert.equal(await page.evaluate(() => document.activeElement.type), "range");
    await page.click("#what-if button");
    await page.waitForSelector("#what-if:not(.set)");
    assert.equal(await page.locator("#times input").first().inputValue(), "0");
  },

  async phone() {
    await request("/products/42");
    const page = await open(at(PRODUCT), { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });
    await page.waitForSelector("#waterfall .lane span");
    const overflow = () => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.equal(await overflow(), 0);
    const slider = page.locator(".times .slider output").first();
    const card = await page.locator(".times").boundingBox();
    const { x, width } = await slider.boundingBox();
    assert.ok(x + width <= card.x + card.width, "nothing of a slider is cut off");
    await page.screenshot({ path: `${folder}/phone.png`, fullPage: true });
    await page.locator('[data-node="product"]').tap();
    await page.waitForSelector("#drawer:not([hidden])");
    assert.equal((await page.locator("#drawer").boundingBox()).width, 360);
    await page.locator("#drawer button").tap();
    assert.ok(await page.locator("#drawer").isHidden());
    assert.equal(await overflow(), 0);
  },

  async colours() {
    await request("/products/42");
    const brightness = {};
    for (const colorScheme of ["light", "dark"]) {
      const page = await open(at(PRODUCT), { colorScheme });
      await page.waitForSelector("#requests tr");
      for (const [selector, contrast] of await contrasts(page, ["#title", ".quiet", ".good", "nav .method", ".tiles dt", "th", "#link"])) {
        assert.ok(contrast >= 4.5, `${colorScheme}: ${selector} has a contrast of ${contrast.toFixed(2)}`);
      }
      brightness[colorScheme] = await page.evaluate(() => getComputedStyle(document.body).backgroundColor.match(/\d+/g).reduce((sum, part) => sum + Number(part), 0));
    }
    assert.ok(brightness.dark < 120 && brightness.light > 690, JSON.stringify(brightness));
  },

  async signs_in() {
    const page = await open(`${PANEL}login`);
    await page.keyboard.type("not the token, but as long");
    await page.keyboard.press("Enter");
    await page.waitForSelector('[role="alert"]:not([hidden])');
    complaints.length = 0; // the browser notes the 403
    await page.fill("#token", process.env.PANEL_TOKEN);
    await page.click("button");
    await page.waitForSelector('#link[data-state="live"]');
    assert.equal(await page.evaluate(() => document.cookie), "", "scripts do not see the cookie");
  },

  async refused() {
    const page = await open(`${PANEL}login`);
    assert.equal((await page.goto(PANEL)).status(), 404);
    complaints.length = 0;
  },
};

try {
  await scenarios[scenario]();
  assert.deepEqual(complaints, []);
  assert.deepEqual([...asked], [base]);
} finally {
  await browser.close();
}
