import { describe, expect, test } from "vitest";
import { renderQuery } from "../../src/metrics/template.ts";
import { subject } from "./subject.ts";

function render(promql: string, given = subject, side: "canary" | "stable" = "canary") {
  const rendered = renderQuery(promql, given, side, 60_000);
  return rendered.kind === "ok" ? rendered.promql : rendered.message;
}

describe("renderQuery()", () => {
  test("fills in what the release is called", () => {
    const promql =
      'max(load{ns="{{namespace}}",app="{{rollout}}",svc="{{ service }}",pod=~"{{canary.pods}}"}[{{window}}]) > {{weight}}';
    expect(render(promql)).toBe('max(load{ns="shop",app="web",svc="web",pod=~"web-6d4c-[a-z0-9]{5}"}[60s]) > 25');
    expect(render('x{rs="{{canary.replicaSet}}",h="{{canary.hash}}",s="{{canary.service}}"}')).toBe(
      'x{rs="web-6d4c",h="6d4c",s="web-canary"}',
    );
  });

  test("says of stable what it says of the canary when run for stable", () => {
    expect(render('x{pod=~"{{canary.pods}}",not="{{stable.hash}}"}', subject, "stable")).toBe(
      'x{pod=~"web-58bf-[a-z0-9]{5}",not="58bf"}',
    );
  });

  test("escapes what would end a string", () => {
    const odd = { ...subject, service: 'a"b\\c\nd' };
    expect(render('x{s="{{service}}"}', odd)).toBe('x{s="a\\"b\\\\c\\nd"}');
    expect(render("x{s='{{service}}'}", { ...subject, service: "a'b" })).toBe("x{s='a\\'b'}");
    expect(render("x{s=`{{service}}`}", { ...subject, service: "a`b" })).toBe(
      "{{service}} cannot stand inside backquotes",
    );
  });

  test.each([
    [
      'x{s="{{sevice}}"}',
      /^\{\{sevice\}\} is unknown; there are namespace, rollout, service, window, weight, canary\.hash/,
    ],
    ["x{s={{service}}}", /^\{\{service\}\} must stand inside quotes$/],
    ['"a" + {{namespace}} + "b"', /must stand inside quotes/],
    ['x{s="{{constructor}}"}', /unknown/],
  ])("refuses %s", (promql, message) => {
    expect(render(promql)).toMatch(message);
  });

  test("refuses a variable that has no value", () => {
    const { service: _, ...pods } = subject.canary;
    expect(render('x{s="{{canary.service}}"}', { ...subject, canary: pods })).toBe(
      "{{canary.service}} has no value for this Rollout",
    );
  });

  test("is not led astray by quotes in a comment or in another string", () => {
    expect(render("x # it's \"{{service}}\n + 1")).toBe("x \n + 1");
    expect(render('x{a="\\"",b="{{service}}",c=\'"\',d="{{hash}}"}')).toMatch(/\{\{hash\}\} is unknown/);
  });
});
