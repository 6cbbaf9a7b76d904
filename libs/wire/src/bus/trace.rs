//! Trace context that stands beside an event's bytes, never inside them.

use serde::{Deserialize, Serialize};

/// W3C trace context, binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceContext {
    /// Trace id.
    pub trace_id: [u8; 16],
    /// Span id of the parent.
    pub span_id: [u8; 8],
    /// Trace flags (1 = sampled).
    pub flags: u8,
}

impl TraceContext {
    /// As the `traceparent` header.
    pub fn to_traceparent(&self) -> String {
        let hex = |b: &[u8]| b.iter().map(|b| format!("{b:02x}")).collect::<String>();
        format!("00-{}-{}-{:02x}", hex(&self.trace_id), hex(&self.span_id), self.flags)
    }

    /// From the `traceparent` header; none when it is not one.
    pub fn from_traceparent(s: &str) -> Option<Self> {
        let mut parts = s.split('-');
        let (v, t, p, f) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        if v.len() != 2 || t.len() != 32 || p.len() != 16 || f.len() != 2 || !s.is_ascii() {
            return None;
        }
        let trace = u128::from_str_radix(t, 16).ok()?;
        let span = u64::from_str_radix(p, 16).ok()?;
        if trace == 0 || span == 0 {
            return None;
        }
        Some(Self {
            trace_id: trace.to_be_bytes(),
            span_id: span.to_be_bytes(),
            flags: u8::from_str_radix(f, 16).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traceparent_there_and_back() {
        let s = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(TraceContext::from_traceparent(s).unwrap().to_traceparent(), s);
        assert!(TraceContext::from_traceparent("00-0-0-0").is_none());
    }
}
