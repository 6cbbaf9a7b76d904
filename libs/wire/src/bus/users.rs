//! Who may do what on a central's bus: one table, from which every server's configuration is written.
//!
//! A service may publish what it is there to say, hear what it is there to hear, and answer whoever asked it. Answers come to an
//! inbox of the asker's own: nobody hears another's. So a stolen credential of the gateway cannot have events applied
//! ([`subject::LEDGER_APPLY`]), read them whole ([`subject::LEDGER_FETCH`]), take commands away from the ledger or pose as the mesh.

use std::fmt::Write;

use super::subject;

/// A user of the bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    /// Its name: the service's.
    pub name: &'static str,
    /// Subjects it may publish to or ask on.
    pub publish: &'static [&'static str],
    /// Subjects it may hear or serve.
    pub subscribe: &'static [&'static str],
}

/// The services, and an observer that hears how mesh and sync are.
pub const USERS: [User; 5] = [
    User {
        name: "edge-gateway",
        publish: &[
            subject::LEDGER_COMMAND,
            subject::LEDGER_QUERY,
            subject::LEDGER_ACCESS,
            subject::LANES_HEARD,
            subject::MESH_QUERY,
            subject::SYNC_QUERY,
            subject::SYNC_BUNDLE,
        ],
        subscribe: &[subject::MESH_STATE, subject::SYNC_STATE, subject::EVENTS_STORED],
    },
    User {
        name: "ledger",
        publish: &[subject::EVENTS_COMMITTED, subject::EVENTS_STORED, subject::MESH_QUERY],
        subscribe: &[
            subject::LEDGER_COMMAND,
            subject::LEDGER_QUERY,
            subject::LEDGER_APPLY,
            subject::LEDGER_FETCH,
            subject::LEDGER_AUDIT,
            subject::LEDGER_REFERENCE,
            subject::LEDGER_ACCESS,
            subject::LANES_HEARD,
            subject::MESH_STATE,
            subject::SYNC_STATE,
        ],
    },
    User {
        name: "mesh",
        publish: &[
            subject::LEDGER_QUERY,
            subject::LEDGER_APPLY,
            subject::LEDGER_FETCH,
            subject::MESH_RECEIVED,
            subject::MESH_STATE,
        ],
        subscribe: &[subject::EVENTS_COMMITTED, subject::MESH_SEND, subject::MESH_QUERY],
    },
    User {
        name: "sync",
        publish: &[
            subject::LEDGER_QUERY,
            subject::LEDGER_APPLY,
            subject::LEDGER_FETCH,
            subject::LEDGER_AUDIT,
            subject::LEDGER_REFERENCE,
            subject::MESH_SEND,
            subject::MESH_QUERY,
            subject::SYNC_STATE,
        ],
        subscribe: &[
            subject::EVENTS_STORED,
            subject::MESH_RECEIVED,
            subject::MESH_STATE,
            subject::SYNC_QUERY,
            subject::SYNC_BUNDLE,
        ],
    },
    User { name: "observer", publish: &[], subscribe: &[subject::MESH_STATE, subject::SYNC_STATE] },
];

/// Where answers for a user arrive: `<prefix>.<random>`. Dots and the like have a meaning in subjects.
pub fn inbox(user: &str) -> String {
    let plain: String =
        user.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' }).collect();
    format!("_INBOX_{plain}")
}

/// The password of a user, as it is written into the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Password {
    /// The text itself. The file is a secret then.
    Text(String),
    /// A variable of the server's environment; the file is none then.
    Variable(String),
}

/// The variable of a user's password in a site's configuration.
pub fn variable(user: &str) -> String {
    format!("NATS_PASSWORD_{}", user.to_ascii_uppercase().replace('-', "_"))
}

/// The configuration of a site's server: the same at every site, without a secret. `passwords`: the file that holds them ([`passwords`]),
/// from the configuration's own folder: the server takes no absolute path.
pub fn site_conf(passwords: &str) -> String {
    let users = authorization(|user| Password::Variable(variable(user)), None);
    format!(
        "# Written from libs/wire/src/bus/users.rs: UPDATE_DOCS=1 cargo test -p wire. Do not edit.\n\
         # The passwords: `parkctl bus passwords`.\n\
         listen: \"0.0.0.0:4222\"\nhttp: \"0.0.0.0:8222\"\nmax_payload: 1048576\ninclude {}\n\n{users}",
        quoted(passwords)
    )
}

/// The file of passwords that [`site_conf`] includes.
pub fn passwords(password: impl Fn(&str) -> String) -> String {
    USERS.iter().map(|u| format!("{} = {}\n", variable(u.name), quoted(&password(u.name)))).collect()
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars().filter(|c| !c.is_control()) {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

fn list(subjects: &[&str], and: Option<String>) -> String {
    let all: Vec<String> = subjects.iter().map(|s| quoted(s)).chain(and.map(|a| quoted(&a))).collect();
    format!("[{}]", all.join(", "))
}

/// The `authorization` part of a NATS server's configuration: these users, and nobody without a password. `everything`: a user that
/// may do all, for a lab's own tools.
pub fn authorization(password: impl Fn(&str) -> Password, everything: Option<&str>) -> String {
    let secret = |user: &str| match password(user) {
        Password::Text(text) => quoted(&text),
        Password::Variable(name) => format!("${name}"),
    };
    let mut out = String::from("authorization {\n  timeout: 2\n  users = [\n");
    for u in &USERS {
        let inbox = format!("{}.>", inbox(u.name));
        // Without anything to publish, nothing may be: an empty list would be no list.
        let publish = if u.publish.is_empty() {
            "{deny: \">\"}".to_owned()
        } else {
            format!("{{allow: {}}}", list(u.publish, None))
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "    {{user: {}, password: {}, permissions: {{\n      publish: {publish}\n      subscribe: {{allow: {}}}\n      \
             allow_responses: {}\n    }}}}",
            quoted(u.name),
            secret(u.name),
            list(u.subscribe, Some(inbox)),
            !u.publish.is_empty(),
        );
    }
    if let Some(name) = everything {
        let _ = writeln!(out, "    {{user: {}, password: {}}}", quoted(name), secret(name));
    }
    out.push_str("  ]\n}\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> &'static User {
        USERS.iter().find(|u| u.name == name).unwrap()
    }

    fn publishers(subject: &str) -> Vec<&'static str> {
        USERS.iter().filter(|u| u.publish.contains(&subject)).map(|u| u.name).collect()
    }

    fn hearers(subject: &str) -> Vec<&'static str> {
        USERS.iter().filter(|u| u.subscribe.contains(&subject)).map(|u| u.name).collect()
    }

    #[test]
    fn every_subject_has_somebody_who_says_it_and_somebody_who_hears_it() {
        // subject, who says or asks, who hears or serves
        for (subject, say, hear) in [
            (subject::LEDGER_COMMAND, vec!["edge-gateway"], vec!["ledger"]),
            (subject::LEDGER_ACCESS, vec!["edge-gateway"], vec!["ledger"]),
            (subject::LEDGER_QUERY, vec!["edge-gateway", "mesh", "sync"], vec!["ledger"]),
            (subject::LEDGER_APPLY, vec!["mesh", "sync"], vec!["ledger"]),
            (subject::LEDGER_FETCH, vec!["mesh", "sync"], vec!["ledger"]),
            (subject::LEDGER_AUDIT, vec!["sync"], vec!["ledger"]),
            (subject::LEDGER_REFERENCE, vec!["sync"], vec!["ledger"]),
            (subject::LANES_HEARD, vec!["edge-gateway"], vec!["ledger"]),
            (subject::EVENTS_COMMITTED, vec!["ledger"], vec!["mesh"]),
            (subject::EVENTS_STORED, vec!["ledger"], vec!["edge-gateway", "sync"]),
            (subject::MESH_SEND, vec!["sync"], vec!["mesh"]),
            (subject::MESH_RECEIVED, vec!["mesh"], vec!["sync"]),
            (subject::MESH_QUERY, vec!["edge-gateway", "ledger", "sync"], vec!["mesh"]),
            (subject::MESH_STATE, vec!["mesh"], vec!["edge-gateway", "ledger", "sync", "observer"]),
            (subject::SYNC_QUERY, vec!["edge-gateway"], vec!["sync"]),
            (subject::SYNC_BUNDLE, vec!["edge-gateway"], vec!["sync"]),
            (subject::SYNC_STATE, vec!["sync"], vec!["edge-gateway", "ledger", "observer"]),
        ] {
            assert_eq!((publishers(subject), hearers(subject)), (say, hear), "{subject}");
        }
    }

    #[test]
    fn a_stolen_gateway_credential_writes_no_events_and_hears_no_questions() {
        let gateway = user("edge-gateway");
        for forbidden in
            [subject::LEDGER_APPLY, subject::LEDGER_FETCH, subject::EVENTS_COMMITTED, subject::MESH_SEND]
        {
            assert!(!gateway.publish.contains(&forbidden), "{forbidden}");
        }
        assert!(gateway.subscribe.iter().all(|s| s.ends_with(".state") || s.ends_with(".stored")));
        assert!(USERS.iter().all(|u| !u.subscribe.iter().chain(u.publish).any(|s| s.contains(['*', '>']))));
    }

    #[test]
    fn the_configuration_names_everybody_and_quotes_what_it_is_given() {
        let text = authorization(|user| Password::Text(format!("p\"w\\{user}")), Some("lab"));
        for u in &USERS {
            assert!(
                text.contains(&format!("{{user: \"{0}\", password: \"p\\\"w\\\\{0}\"", u.name)),
                "{text}"
            );
            assert!(text.contains(&format!("\"_INBOX_{}.>\"", u.name)), "{text}");
        }
        assert!(text.contains("{user: \"lab\", password: \"p\\\"w\\\\lab\"}"), "{text}");
        let text = authorization(|user| Password::Variable(format!("PW_{user}")), None);
        assert!(text.contains("password: $PW_ledger") && !text.contains("\"lab\""), "{text}");
        assert_eq!(inbox("a.b>c"), "_INBOX_a-b-c");
    }
}
