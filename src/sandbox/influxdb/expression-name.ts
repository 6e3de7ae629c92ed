/**
 * The name that DataFusion gives to a column of a result which has none: `count(*)`, `avg(home.temp)`,
 * `home.n + Int64(1)`. Pure; undefined for an expression whose name is not known here.
 */
import type { Tree } from "./tree.ts";
import { isTree, textOf, textsIn, treesIn } from "./tree.ts";

/** A column as the statement names it, with the name of its table. */
type Qualify = (path: readonly string[]) => string | undefined;

export function expressionName(node: Tree, qualify: Qualify): string | undefined {
  switch (node["type"]) {
    case "COLUMN_REF":
      return qualify(textsIn(node["column_names"]));
    case "VALUE_CONSTANT":
      return constantName(node["value"]);
    case "FUNCTION":
      return functionName(node, qualify);
    case "OPERATOR_CAST":
      return booleanName(node) ?? castName(node, qualify);
    case "ARRAY_EXTRACT": {
      const [from, key] = treesIn(node["children"]);
      const name = from === undefined ? undefined : expressionName(from, qualify);
      const value = isTree(key?.["value"]) ? textOf(key["value"]["value"]) : "";
      return name === undefined || value === "" ? undefined : `${name}[${value}]`;
    }
    default:
      return undefined;
  }
}

function constantName(value: unknown): string | undefined {
  if (!isTree(value) || value["is_null"] !== false || !isTree(value["type"])) return undefined;
  const { value: content, type } = value;
  switch (type["id"]) {
    case "INTEGER":
    case "BIGINT":
      return `Int64(${String(content)})`;
    case "VARCHAR":
      return `Utf8("${String(content)}")`;
    case "DECIMAL": {
      const scale = isTree(type["type_info"]) ? Number(type["type_info"]["scale"]) : 0;
      return `Float64(${Number(content) / 10 ** scale})`;
    }
    default:
      return undefined;
  }
}

/** DuckDB reads `true` as a cast of the text "t". */
function booleanName({ cast_type: type, child }: Tree): string | undefined {
  const text = isTree(child) && isTree(child["value"]) ? child["value"]["value"] : undefined;
  if (!isTree(type) || type["id"] !== "BOOLEAN" || (text !== "t" && text !== "f")) return undefined;
  return `Boolean(${text === "t"})`;
}

/** That of what is cast. A type that DuckDB's parser does not know may be a column, and the text its alias. */
function castName({ cast_type: type, child }: Tree, qualify: Qualify): string | undefined {
  if (!isTree(type) || type["id"] === "UNBOUND" || !isTree(child)) return undefined;
  return expressionName(child, qualify);
}

/** DuckDB's `//` stands for the `/` of integers. */
const operators: ReadonlyMap<string, string> = new Map([
  ["+", "+"],
  ["-", "-"],
  ["*", "*"],
  ["/", "/"],
  ["//", "/"],
  ["%", "%"],
]);

function functionName(node: Tree, qualify: Qualify): string | undefined {
  const name = textOf(node["function_name"]);
  if (node["filter"] !== null || orders(node) > 0) return undefined;
  if (name === "count_star") return "count(*)";
  const children = treesIn(node["children"]).map((child) => expressionName(child, qualify));
  if (children.includes(undefined)) return undefined;
  if (node["is_operator"] !== true) {
    return `${name}(${node["distinct"] === true ? "DISTINCT " : ""}${children.join(",")})`;
  }
  const operator = operators.get(name);
  if (operator === undefined) return undefined;
  return children.length === 1 ? `(${operator} ${children[0]})` : children.join(` ${operator} `);
}

function orders({ order_bys: orderBys }: Tree): number {
  return isTree(orderBys) ? treesIn(orderBys["orders"]).length : 0;
}
