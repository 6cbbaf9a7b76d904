//! Every code a caller may meet: one table for `docs/ERRORS.md`, the page `/docs/errors` and the problems themselves.

use std::fmt::Write;

/// A code and its meaning. Codes are for ever; titles may be reworded.
#[derive(Debug)]
pub(crate) struct Code {
    /// Stable.
    pub(crate) code: &'static str,
    /// HTTP status; 422 for the codes of single fields.
    pub(crate) status: u16,
    /// Short, the same for every problem of the code.
    pub(crate) title: &'static str,
    /// What the caller can do.
    pub(crate) help: &'static str,
}

const fn code(code: &'static str, status: u16, title: &'static str, help: &'static str) -> Code {
    Code { code, status, title, help }
}

/// Codes of problems, in the order the gateway checks.
pub(crate) const PROBLEMS: &[Code] = &[
    code(
        "unauthenticated",
        401,
        "Who asks is not known",
        "Send `Authorization: Bearer <edge key or token>` (or `Token <key>`). It must be known here (in the configuration, or made at `/api/admin`), not revoked and not expired.",
    ),
    code(
        "rate_limited",
        429,
        "Too many requests",
        "Wait for `Retry-After` seconds. Limits count per key (`RATE_LIMIT_PER_SECOND`, bursts of twice as many), per address, and per address for keys that nobody knows (docs/LIMITS.md).",
    ),
    code(
        "malformed_request",
        400,
        "The request cannot be read",
        "Its head is not HTTP/1.1, or can be read in two ways: the only `Transfer-Encoding` is `chunked`, `Host` and `Authorization` stand once.",
    ),
    code("head_too_large", 431, "The head is too large", "A head holds at most 32 KiB and 64 fields."),
    code("not_found", 404, "No such path", "See `/docs`."),
    code(
        "method_not_allowed",
        405,
        "The path does not take this method",
        "The header `Allow` names those it takes.",
    ),
    code(
        "too_large",
        413,
        "The body is too large",
        "JSON bodies hold at most 64 KiB, a batch 2 MiB, a webhook's picture 8 MiB, a bundle `BUNDLE_LIMIT_MIB`.",
    ),
    code(
        "unsupported_media_type",
        415,
        "The body is not of a type this path takes",
        "Send `Content-Type: application/json` (webhooks: also multipart or urlencoded; bundles: `application/octet-stream`).",
    ),
    code(
        "request_timeout",
        408,
        "The request did not arrive in time",
        "Send the whole body within 10 s; a bundle without pauses of 30 s.",
    ),
    code("malformed_json", 400, "The body is not JSON", "The detail says where reading stopped."),
    code(
        "malformed_multipart",
        400,
        "The body is not multipart",
        "Send a `json` part and, if there is one, an `upload` part.",
    ),
    code("malformed_body", 400, "The body broke off", "Send it again."),
    code(
        "invalid_fields",
        422,
        "Some fields are not valid",
        "`errors` lists every fault with its field; the codes are below.",
    ),
    code(
        "invalid_config",
        422,
        "The configuration is not valid",
        "`errors` lists the faults; nothing was applied.",
    ),
    code(
        "wrong_direction",
        422,
        "The lane does not go this way",
        "Leave `direction` out on one-way lanes, or send the one the lane has.",
    ),
    code("not_this_lane", 422, "Another lane opened this session", "Close it from the lane that opened it."),
    code(
        "idempotency_key_reused",
        422,
        "The key was used for another edge or plate",
        "Use a fresh `Idempotency-Key` for every request that is not a repeat.",
    ),
    code(
        "edge_mismatch",
        403,
        "The key belongs to another edge",
        "Use the key of the edge named in `edge_id`.",
    ),
    code(
        "forbidden",
        403,
        "This key may not do that",
        "Edge keys may call `/api/edge/*` and the quote; everything else needs a person's token. The detail names the role a token needs: viewer, attendant, operator, admin; each may do what the ones before it may.",
    ),
    code(
        "unknown_staff",
        403,
        "The staff id is not known",
        "It must stand on the list of staff, and be active.",
    ),
    code(
        "wrong_pin",
        403,
        "The PIN is wrong",
        "Type it again; after five wrong ones there is a wait, which doubles with every further one.",
    ),
    code(
        "role_insufficient",
        403,
        "The role may not do that",
        "The detail names the role that is needed: attendants open, pick an entry and correct plates; supervisors also void, waive, price, close, reopen, note what could not be collected; operators also change rules.",
    ),
    code(
        "pin_throttled",
        429,
        "Too many wrong PINs",
        "Wait for `Retry-After` seconds; other people and lanes are not held up.",
    ),
    code("unknown_edge", 404, "No such edge here", "The edge must stand in this central's configuration."),
    code("unknown_token", 404, "No such token", "`GET /api/admin/tokens` lists them."),
    code(
        "unknown_key",
        404,
        "No such key",
        "`GET /api/admin/edges/{id}/keys` lists those of the edge; keys of the configuration file are changed there.",
    ),
    code("unknown_camera", 404, "No lane has this camera", "Name the camera in `cameras` of its lane."),
    code(
        "unknown_session",
        404,
        "No such session",
        "This central has no session with this `event_id` (yet); for a quote: nobody is inside with this plate.",
    ),
    code("unknown_entry", 404, "No such entry", "No entry of a list, and no pass, has this `id`."),
    code("unknown_command", 404, "No such command", "No lane was told this, as far as this central knows."),
    code(
        "unknown_passage",
        404,
        "No such passage",
        "The id must stand in `GET /api/parking/unresolved`: a manual vend for no session, or a passage without opening.",
    ),
    code("unknown_peer", 404, "No such peer", "The peer must stand in `peer_centrals`."),
    code(
        "nothing_pending",
        404,
        "The lane has nothing pending",
        "There is no opening to close; it may be confirmed or abandoned already.",
    ),
    code(
        "config_managed_externally",
        409,
        "The configuration is managed from outside",
        "Its file cannot be written here; change it where it comes from.",
    ),
    code(
        "wrong_state",
        409,
        "The session does not allow this now",
        "The detail says why; read the session again.",
    ),
    code(
        "passes_managed_externally",
        409,
        "Passes are managed from outside",
        "The external API has the subscriptions: change them there.",
    ),
    code(
        "range_held",
        409,
        "A configured peer holds some of the range",
        "It comes by itself once that peer is connected; one that is gone for good is taken out of the configuration.",
    ),
    code(
        "range_not_missing",
        409,
        "The range is not known to be missing",
        "Close only what `nowhere` in `/api/p2p/sync-state` names.",
    ),
    code(
        "too_many_keys",
        409,
        "Too many are good at once",
        "A central keeps 1000 tokens and keys, and 8 keys of one edge; revoke some.",
    ),
    code("no_rate_table", 409, "No rate table fits", "Staff price this vehicle."),
    code(
        "cannot_seal_bundle",
        409,
        "This central cannot seal bundles",
        "Give mesh its certificate (`MESH_TLS_*_FILE`), or in plain-text mode the operator's key (`PLATE_KEY_FILE`).",
    ),
    code(
        "bundle_damaged",
        422,
        "The bundle is damaged",
        "The detail says where. Nothing of it was stored; copy it again, or export it again.",
    ),
    code(
        "bundle_version",
        422,
        "The bundle is of a version that is not known here",
        "Upgrade this central, then import it again.",
    ),
    code(
        "bundle_not_trusted",
        422,
        "The bundle is not trusted here",
        "The detail says why. Nothing of it was stored; only bundles signed by this central or a configured peer are taken.",
    ),
    code(
        "bundle_too_large",
        422,
        "The bundle would be too large",
        "Narrow the choice (`central`, `from`, `to`, `range`) and make several.",
    ),
    code(
        "no_room",
        507,
        "There is no room for the upload",
        "The disk of `BUNDLE_DIR` is full; free some of it or name another folder.",
    ),
    code("not_yet", 501, "Not there yet", "The path is reserved; a later release serves it."),
    code("internal", 500, "Something went wrong here", "A fault of ours; it is logged."),
    code(
        "no_ledger",
        503,
        "Nothing can be recorded now",
        "Obey `barrier` if it is there, and repeat the same request until it is answered with 2xx.",
    ),
    code("no_mesh", 503, "The mesh service does not answer", "Try again later."),
    code("no_sync", 503, "The sync service does not answer", "Try again later."),
    code(
        "busy",
        503,
        "Too much at once",
        "Try again after `Retry-After` seconds. At `barrier/open` it also has `decision`, `barrier` and `recorded: false`.",
    ),
];

/// Codes of single fields (`errors[].code`).
pub(crate) const FIELDS: &[Code] = &[
    code("missing", 422, "Needed and not there", "Absent and `null` mean the same."),
    code("wrong_type", 422, "Of another type", "The message names the type."),
    code("empty", 422, "Must not be empty", ""),
    code("too_long", 422, "Too many characters", "The message names the limit."),
    code("too_many", 422, "Too many items", "The message names the limit."),
    code("out_of_range", 422, "Outside its range", "The message names the range."),
    code("unknown_value", 422, "None of the known values", "The message lists them."),
    code("no_offset", 422, "A time without offset", "End it with `Z` or `+07:00` (`%2B07:00` in a query)."),
    code("not_a_time", 422, "Not an RFC 3339 time", "Such as `2026-11-22T08:00:00+07:00`."),
    code("bad_characters", 422, "Characters that cannot stand here", "The message says which may."),
    code("repeated", 422, "Given more than once", ""),
    code(
        "unknown_key",
        422,
        "Not a key of the configuration",
        "Unknown keys are errors in the configuration only; other bodies ignore them.",
    ),
    code("invalid_value", 422, "Not valid here", "The message says why."),
    code("no_plate", 422, "Must be a plate", "A correction needs letters or digits."),
    code(
        "unknown_rate_table",
        422,
        "No rate table has this id",
        "Send the id of a published table, or a whole table.",
    ),
    code("malformed", 422, "Not of the form a rate table has", "`docs/rate-table.schema.json` describes it."),
    code(
        "not_allowed",
        422,
        "A key that cannot stand here",
        "`docs/rate-table.schema.json` describes the form of a rate table.",
    ),
    code("duplicate", 422, "Stands twice", "Sequences and ids are unique within a rate table."),
    code("unknown_time_zone", 422, "Not an IANA time zone", "Such as `Asia/Ho_Chi_Minh`."),
    code(
        "legal_ceiling",
        422,
        "The rate table can charge more than its legal ceiling",
        "The message says how much.",
    ),
    code("unknown_discount", 422, "The rate table has no discount of this id", ""),
    code("class_not_priced", 422, "The table has no price for this class", ""),
    code("invalid_rights", 422, "Not a list of rights", "`[{id, valid_from, valid_to}]`, at most 100."),
    code("cannot_change", 422, "The central's id cannot change", "Set up a new central instead."),
];

const UNKNOWN: Code = code("internal", 500, "Something went wrong here", "");

/// Codes of fields that name the whole problem when they stand alone.
pub(crate) fn is_own_problem(name: &str) -> bool {
    matches!(name, "wrong_direction")
}

/// The entry of a code.
pub(crate) fn find(name: &str) -> &'static Code {
    PROBLEMS.iter().chain(FIELDS).find(|c| c.code == name).unwrap_or(&UNKNOWN)
}

/// `docs/ERRORS.md`.
pub fn errors_markdown() -> String {
    let mut out = String::from(
        "# Errors\n\n<!-- Generated: UPDATE_DOCS=1 cargo test -p edge-gateway. Do not edit. -->\n\n\
         Every error is `application/problem+json`: `{type, title, status, detail, code, errors: [{field, code, message}]}`. Codes are\n\
         stable; match on `code`, never on texts. Checks run in this order: 401, 429, 404 and 405 of the path, 413, 415, 400, 422, 403,\n\
         404 of an id. All faults of a body or a query are reported at once; `field` is a JSON pointer, for query parameters and headers\n\
         their name behind a slash. 429 and 503 carry `Retry-After`. Unknown fields of a body and unknown query parameters are ignored\n\
         (lanes differ), except in the configuration. Absent and `null` mean the same.\n\n\
         `no_ledger` at `barrier/open` also has `decision`, `barrier` and `recorded: false`: what the lane does now.\n\n\
         ## Problems\n\n| code | status | meaning | what to do |\n|---|---|---|---|\n",
    );
    for c in PROBLEMS {
        let _ = writeln!(out, "| `{}` | {} | {} | {} |", c.code, c.status, c.title, c.help);
    }
    out.push_str("\n## Fields\n\nIn `errors[].code` of `invalid_fields` and `invalid_config`.\n\n| code | meaning | |\n|---|---|---|\n");
    for c in FIELDS {
        let _ = writeln!(out, "| `{}` | {} | {} |", c.code, c.title, c.help);
    }
    out
}
