//! `/docs` and `/docs/errors`: written here from the same data as the OpenAPI document, with no script and nothing from elsewhere.

use std::fmt::Write;

use serde_json::Value;

use crate::codes::{Code, FIELDS, PROBLEMS};

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}\
h1{font-size:1.6rem}h2{margin-top:2.2rem;border-bottom:1px solid #ccc;text-transform:capitalize}h3{margin:1.6rem 0 .3rem;font-size:1rem}\
code,pre{font:13px/1.45 ui-monospace,monospace;background:#f4f4f4;border-radius:3px;padding:.1rem .3rem}\
.m{display:inline-block;min-width:3.2rem;font-weight:700}table{border-collapse:collapse;width:100%;margin:.4rem 0}\
td,th{text-align:left;vertical-align:top;padding:.2rem .8rem .2rem 0;border-bottom:1px solid #eee}details{margin:.3rem 0}\
@media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}code,pre{background:#2a2a2a}a{color:#8bf}td,th{border-color:#333}}";

fn escape(s: &str) -> String {
    s.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Text with `code` in backticks.
fn prose(s: &str) -> String {
    let mut out = String::new();
    for (i, part) in escape(s).split('`').enumerate() {
        if i > 0 {
            out.push_str(if i % 2 == 1 { "<code>" } else { "</code>" });
        }
        out.push_str(part);
    }
    out
}

fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title><style>{STYLE}</style><body>{body}</body></html>"
    )
}

/// The short name of a schema: `Session`, `array of Session`, `string or null`.
fn type_of(schema: &Value) -> String {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str).and_then(|r| r.rsplit('/').next()) {
        return format!("<a href=\"#schema-{0}\">{0}</a>", escape(name));
    }
    for key in ["oneOf", "anyOf", "allOf"] {
        if let Some(all) = schema.get(key).and_then(Value::as_array) {
            let names: Vec<String> = all.iter().map(type_of).collect();
            return names.join(if key == "allOf" { " and " } else { " or " });
        }
    }
    if let Some(known) = schema.get("enum").and_then(Value::as_array) {
        let names: Vec<&str> = known.iter().filter_map(Value::as_str).collect();
        return format!("one of <code>{}</code>", escape(&names.join(" ")));
    }
    let one = |t: &str| match t {
        "array" => format!("array of {}", schema.get("items").map_or_else(|| "anything".to_owned(), type_of)),
        t => t.to_owned(),
    };
    match schema.get("type") {
        Some(Value::String(t)) => one(t),
        Some(Value::Array(all)) => {
            all.iter().filter_map(Value::as_str).map(one).collect::<Vec<_>>().join(" or ")
        }
        _ => "anything".to_owned(),
    }
}

fn text<'a>(v: &'a Value, key: &str) -> &'a str {
    v.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn content_type_of(part: &Value) -> String {
    let schemas = part.get("content").and_then(Value::as_object);
    schemas.and_then(|c| c.values().next()).and_then(|m| m.get("schema")).map_or_else(String::new, type_of)
}

fn operation(out: &mut String, method: &str, path: &str, o: &Value) {
    let _ = write!(
        out,
        "<h3 id=\"{id}\"><span class=\"m\">{m}</span> <code>{p}</code></h3><p><b>{s}</b>. {d}</p>",
        id = escape(&format!("{method}{path}")),
        m = method.to_uppercase(),
        p = escape(path),
        s = prose(text(o, "summary")),
        d = prose(text(o, "description")),
    );
    let parameters = o.get("parameters").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if !parameters.is_empty() {
        out.push_str("<table>");
        for p in parameters {
            let _ = write!(
                out,
                "<tr><td><code>{}</code></td><td>{}{}</td><td>{}</td></tr>",
                escape(text(p, "name")),
                escape(text(p, "in")),
                if p.get("required") == Some(&Value::Bool(true)) { ", needed" } else { "" },
                prose(text(p, "description")),
            );
        }
        out.push_str("</table>");
    }
    if let Some(body) = o.get("requestBody") {
        let _ = write!(out, "<p>Body: {} {}</p>", content_type_of(body), prose(text(body, "description")));
    }
    out.push_str("<table>");
    for (status, r) in o.get("responses").and_then(Value::as_object).into_iter().flatten() {
        let _ = write!(
            out,
            "<tr><td><code>{}</code></td><td>{}</td><td>{}</td></tr>",
            escape(status),
            content_type_of(r),
            prose(text(r, "description")),
        );
    }
    out.push_str("</table>");
}

fn schema(out: &mut String, name: &str, s: &Value) {
    let _ =
        write!(out, "<h3 id=\"schema-{0}\">{0}</h3><p>{1}</p>", escape(name), prose(text(s, "description")));
    let mut parts = vec![s];
    parts.extend(s.get("allOf").and_then(Value::as_array).into_iter().flatten());
    let mut rows = String::new();
    for part in parts {
        if let Some(r) = part.get("$ref") {
            let _ = write!(
                rows,
                "<tr><td colspan=\"3\">all of {}</td></tr>",
                type_of(&serde_json::json!({"$ref": r}))
            );
        }
        for (field, f) in part.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let _ = write!(
                rows,
                "<tr><td><code>{}</code></td><td>{}</td><td>{}</td></tr>",
                escape(field),
                type_of(f),
                prose(text(f, "description")),
            );
        }
    }
    if rows.is_empty() {
        let _ = write!(out, "<p>{}</p>", type_of(s));
    } else {
        let _ = write!(out, "<table>{rows}</table>");
    }
}

/// The page of the API, from its OpenAPI document.
pub(crate) fn api(openapi: &str) -> String {
    let doc: Value = serde_json::from_str(openapi).unwrap_or_default();
    let mut body = format!(
        "<h1>parkmesh API</h1><p>{}</p><p><a href=\"/api/openapi.json\">openapi.json</a> · <a href=\"/docs/errors\">error codes</a></p>",
        prose(doc.pointer("/info/description").and_then(Value::as_str).unwrap_or_default())
    );
    let mut by_tag: Vec<(String, String)> = Vec::new();
    for (path, methods) in doc.get("paths").and_then(Value::as_object).into_iter().flatten() {
        for (method, o) in
            methods.as_object().into_iter().flatten().filter(|(_, o)| o.get("responses").is_some())
        {
            let tag = o.pointer("/tags/0").and_then(Value::as_str).unwrap_or("other");
            let at = by_tag.iter().position(|(t, _)| t == tag).unwrap_or_else(|| {
                by_tag.push((tag.to_owned(), String::new()));
                by_tag.len() - 1
            });
            if let Some((_, out)) = by_tag.get_mut(at) {
                operation(out, method, path, o);
            }
        }
    }
    for (tag, operations) in &by_tag {
        let _ = write!(body, "<h2>{}</h2>{operations}", escape(tag));
    }
    body.push_str("<h2>schemas</h2>");
    for (name, s) in doc.pointer("/components/schemas").and_then(Value::as_object).into_iter().flatten() {
        schema(&mut body, name, s);
    }
    page("parkmesh API", &body)
}

/// The page of the codes.
pub(crate) fn errors() -> String {
    let rows = |codes: &[Code]| {
        codes.iter().fold(String::new(), |mut out, c| {
            let _ = write!(
                out,
                "<tr id=\"{0}\"><td><code>{0}</code></td><td>{1}</td><td>{2}</td><td>{3}</td></tr>",
                c.code,
                c.status,
                prose(c.title),
                prose(c.help)
            );
            out
        })
    };
    page(
        "parkmesh errors",
        &format!(
            "<h1>Errors</h1><p>Every error is <code>application/problem+json</code>; match on <code>code</code>.</p>\
             <h2>problems</h2><table>{}</table><h2>fields</h2><table>{}</table><p><a href=\"/docs\">API</a></p>",
            rows(PROBLEMS),
            rows(FIELDS)
        ),
    )
}
