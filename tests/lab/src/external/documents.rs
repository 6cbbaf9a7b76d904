//! What the stand-in serves.

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::settings::sha256_hex;

const USUAL: &str = include_str!("../../data/external.json");

/// The documents by their path; null is "no such document". What they say is not looked at: centrals must refuse bad ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Documents {
    /// `/fee-config`
    #[serde(rename = "fee-config")]
    pub fee_config: Value,
    /// `/staff`
    pub staff: Value,
    /// `/subscriptions`
    pub subscriptions: Value,
}

impl Documents {
    /// Those of `tests/lab/data/external.json`.
    ///
    /// # Errors
    /// Never with the file as shipped.
    pub fn usual() -> Result<Self> {
        serde_json::from_str(USUAL).context("data/external.json")
    }

    fn place(&mut self, name: &str) -> Option<&mut Value> {
        match name {
            "fee-config" | "fee_config" => Some(&mut self.fee_config),
            "staff" => Some(&mut self.staff),
            "subscriptions" => Some(&mut self.subscriptions),
            _ => None,
        }
    }

    /// The body and `ETag` of a document.
    pub(super) fn get(&mut self, name: &str) -> Option<(String, String)> {
        let body = self.place(name).filter(|v| !v.is_null())?.to_string();
        let etag = format!("\"{}\"", &sha256_hex(&body)[..16]);
        Some((body, etag))
    }

    /// Takes `{"fee-config": …, "staff": …, "subscriptions": …}`, or one document alone, which is told by its items. A list of
    /// items gets the next version; null withdraws a document.
    ///
    /// # Errors
    /// It is neither.
    pub fn put(&mut self, new: &Value) -> Result<Vec<String>> {
        let Some(object) = new.as_object() else { bail!("the file must hold a JSON object") };
        let mut named: Vec<(&str, &Value)> = Vec::new();
        if object.contains_key("items") {
            let name = told_by_items(new).context(
                "the items do not tell which document this is: wrap it, as in {\"staff\": {\"version\": 2, \"items\": []}}",
            )?;
            named.push((name, new));
        } else {
            let known = |name: &str| self.clone().place(name).is_some();
            let own = ["up", "cut_off", "url"];
            if let Some(strange) = object.keys().find(|k| !known(k) && !own.contains(&k.as_str())) {
                bail!("{strange:?} is none of fee-config, staff, subscriptions");
            }
            named.extend(object.iter().filter(|(k, _)| known(k)).map(|(k, v)| (k.as_str(), v)));
            if named.is_empty() {
                bail!("none of fee-config, staff, subscriptions is in the file");
            }
        }
        let mut warnings = Vec::new();
        for (name, document) in named {
            let Some(place) = self.place(name) else { continue };
            let before = place.get("version").and_then(Value::as_i64);
            *place = match document {
                Value::Array(items) => json!({"version": before.unwrap_or(0) + 1, "items": items}),
                whole => whole.clone(),
            };
            let now = place.get("version").and_then(Value::as_i64);
            if let (Some(before), Some(now)) = (before, now)
                && now <= before
            {
                warnings.push(format!(
                    "{name}: version {now} is not above {before}, which was served before: centrals refuse it unless it says the same"
                ));
            }
        }
        Ok(warnings)
    }
}

fn told_by_items(document: &Value) -> Option<&'static str> {
    let first = document.get("items")?.as_array()?.first()?.as_object()?;
    let marks = [
        ("collections", "fee-config"),
        ("pin_hash", "staff"),
        ("role", "staff"),
        ("plates", "subscriptions"),
    ];
    marks.into_iter().find(|(mark, _)| first.contains_key(*mark)).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usually_nobody_is_on_a_staff_list() {
        let mut usual = Documents::usual().unwrap();
        assert_eq!(usual.get("staff"), None);
        assert!(usual.get("fee-config").is_some() && usual.get("subscriptions").is_some());
        assert_eq!(usual.get("nothing"), None);
    }

    #[test]
    fn put_takes_what_show_gives_and_single_documents() {
        let mut d = Documents::usual().unwrap();
        let before = d.clone();
        let mut shown = serde_json::to_value(&d).unwrap();
        shown["up"] = json!(true);
        assert_eq!(d.put(&shown).unwrap().len(), 2, "versions that were not raised are warned of");
        assert_eq!(d, before);
        d.put(&json!({"version": 4, "items": [{"id": "s1", "pin_hash": "x"}]})).unwrap();
        assert_eq!(d.staff["version"], 4);
        d.put(&json!({"staff": [{"id": "s2"}], "subscriptions": null})).unwrap();
        assert_eq!((&d.staff["version"], &d.staff["items"][0]["id"]), (&json!(5), &json!("s2")));
        assert_eq!(d.get("subscriptions"), None);
        for wrong in [json!([]), json!({}), json!({"prices": {}}), json!({"version": 1, "items": []})] {
            assert!(d.put(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_etag_changes_with_what_is_said() {
        let mut d = Documents::usual().unwrap();
        let (_, before) = d.get("fee-config").unwrap();
        assert_eq!(d.get("fee-config").unwrap().1, before);
        d.put(&json!({"fee-config": []})).unwrap();
        assert_ne!(d.get("fee-config").unwrap().1, before);
    }
}
