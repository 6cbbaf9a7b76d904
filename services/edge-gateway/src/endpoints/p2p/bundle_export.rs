//! `GET /api/p2p/bundles`: a stretch of the log as a file, for a site without any link.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use wire::bundle::{MEDIA_TYPE, Wanted};
use wire::bus::bundle::{BundleAsk, BundleReply};
use wire::id::{CentralId, Incarnation};
use wire::position::{SeqRange, StreamId};

use crate::caller::Caller;
use crate::fields::Faults;
use crate::gateway::Gateway;
use crate::openapi::Problems;
use crate::params::Params;
use crate::problem::{Answer, Refused};

/// Planning looks at every event's time where a stretch of time is asked for.
const PLAN: Duration = Duration::from_secs(35);
/// A piece is read, packed and, at the end, sealed.
const PIECE: Duration = Duration::from_secs(30);
/// Ranges asked for at most.
const MAX_RANGES: usize = 500;

static EVENTS: HeaderName = HeaderName::from_static("parkmesh-bundle-events");

/// A stretch of the log as a file
///
/// Everything this central holds, of any origin, unless something narrows it. The file is signed with this central's certificate and
/// streamed while it is made; one that breaks off has no signature and is refused where it is imported. The header
/// `Parkmesh-Bundle-Events` says how many events it will have.
#[utoipa::path(get, path = "/p2p/bundles", tag = "mesh",
    params(
        ("for_central" = Option<String>, Query, description = "Only what this peer is known to lack; where nothing is known of it, everything"),
        ("central" = Option<String>, Query, description = "Only events of this origin"),
        ("from" = Option<String>, Query, description = "Of every stream the run from its first event that happened at or after this"),
        ("to" = Option<String>, Query, description = "… to its last that happened before this"),
        ("range" = Option<Vec<String>>, Query, description = "Only `<central>/<incarnation>/<from>-<to>`, as the sync state names gaps; repeatable"),
    ),
    responses((status = 200, description = "The file", body = Vec<u8>, content_type = "application/vnd.parkmesh.bundle"), Problems))]
pub(crate) async fn export(State(gw): State<Gateway>, caller: Caller, request: Request) -> Answer {
    let wanted = wanted(&Params::of(request.uri()))?;
    caller.must_be_person()?;
    let begun = gw.bundle(&BundleAsk::Begin(wanted), PLAN).await?;
    let BundleReply::Begun { id, events, name } = begun else {
        return Err(Refused::retry("no_sync", 5, "the service answered something else"));
    };
    Ok(file(gw, id, events, &name))
}

fn wanted(p: &Params) -> Result<Wanted, Refused> {
    let mut f = Faults::default();
    let central = |f: &mut Faults, name: &str| {
        let text = p.one(f, name)?;
        CentralId::new(text).map_err(|e| f.add(format!("/{name}"), "invalid_value", e.to_string())).ok()
    };
    let mut wanted = Wanted {
        for_central: central(&mut f, "for_central"),
        central: central(&mut f, "central"),
        from: p.time(&mut f, "from"),
        to: p.time(&mut f, "to"),
        ranges: Vec::new(),
    };
    if let (Some(from), Some(to)) = (wanted.from, wanted.to)
        && from >= to
    {
        f.add("/to", "out_of_range", "must be after from");
    }
    let all = p.all("range");
    if all.len() > MAX_RANGES {
        f.add("/range", "too_many", format!("at most {MAX_RANGES}"));
    }
    for text in all.into_iter().take(MAX_RANGES) {
        match range(text) {
            Some(r) => wanted.ranges.push(r),
            None => f.add("/range", "invalid_value", "must be <central>/<incarnation>/<from>-<to>"),
        }
    }
    f.done()?;
    Ok(wanted)
}

/// `central-1/0123…/5-9`, or `…/5` for one position.
fn range(text: &str) -> Option<SeqRange> {
    let mut parts = text.split('/');
    let (central, incarnation, seqs) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || incarnation.len() != 32 {
        return None;
    }
    let (from, to) = seqs.split_once('-').unwrap_or((seqs, seqs));
    let number = |s: &str| s.bytes().all(|b| b.is_ascii_digit()).then(|| s.parse::<u64>().ok()).flatten();
    let range = SeqRange {
        stream: StreamId {
            central: CentralId::new(central).ok()?,
            incarnation: Incarnation(u128::from_str_radix(incarnation, 16).ok()?),
        },
        from: number(from)?,
        to: number(to)?,
    };
    (range.from >= 1 && !range.is_empty()).then_some(range)
}

/// A file under way. However it ends, sync is told.
struct Going {
    gw: Gateway,
    id: u64,
    part: u32,
    ended: bool,
}

impl Drop for Going {
    fn drop(&mut self) {
        self.gw.metrics().bundle(if self.ended { "exported" } else { "export_failed" });
        let (gw, id) = (self.gw.clone(), self.id);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { drop(gw.bundle(&BundleAsk::End { id }, PIECE).await) });
        }
    }
}

impl Going {
    async fn next(&mut self) -> Result<Option<Bytes>, std::io::Error> {
        if self.ended {
            return Ok(None);
        }
        let ask = BundleAsk::Next { id: self.id, part: self.part };
        let asked = self.gw.stopping().run_until_cancelled(self.gw.bundle(&ask, PIECE)).await;
        let why = match asked {
            Some(Ok(BundleReply::Part { bytes, last })) => {
                self.part += 1;
                self.ended = last;
                return Ok(Some(bytes.into()));
            }
            Some(Ok(_)) => "another answer than a piece".to_owned(),
            Some(Err(refused)) => refused.problem().detail.clone(),
            None => "this central stops".to_owned(),
        };
        tracing::warn!(%why, "a bundle broke off");
        Err(std::io::Error::other(why))
    }
}

fn file(gw: Gateway, id: u64, events: u64, name: &str) -> Response {
    let going = Going { gw, id, part: 0, ended: false };
    let pieces = stream::try_unfold(going, |mut going| async move {
        Ok::<_, std::io::Error>(going.next().await?.map(|bytes| (bytes, going)))
    });
    let mut r = Body::from_stream(pieces).into_response();
    let headers = r.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(&EVENTS, HeaderValue::from(events));
    if let Ok(v) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, v);
    }
    r
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_sync_state_writes_them() {
        let inc = "0123456789abcdef0123456789abcdef";
        let r = range(&format!("central-1/{inc}/5-9")).unwrap();
        assert_eq!((r.stream.to_string(), r.from, r.to), (format!("central-1/{inc}"), 5, 9));
        assert_eq!(range(&format!("central-1/{inc}/7")).map(|r| (r.from, r.to)), Some((7, 7)));
        for bad in ["", "central-1", "central-1/1/5-9", "Central/x/1-2"] {
            assert_eq!(range(bad), None, "{bad}");
        }
        for bad in ["9-5", "0-5", "+1-5", "1-5/6", "-", "99999999999999999999"] {
            assert_eq!(range(&format!("central-1/{inc}/{bad}")), None, "{bad}");
        }
    }
}
