//! Trace context of clients (W3C Trace Context), and with the feature `otlp` a collector for spans.

#[cfg(feature = "otlp")]
pub mod otlp;

use data_encoding::HEXLOWER;
use tracing::Span;

/// The trace context in the header `traceparent`, or in `_meta` of an MCP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The id of the trace; never zero.
    pub trace_id: u128,
    /// The id of the client's span; never zero.
    pub parent_id: u64,
    /// Bit 0: the client records this trace.
    pub flags: u8,
}

impl TraceContext {
    /// Parses `00-<32 hex>-<16 hex>-<2 hex>` (W3C Trace Context, section 3.2). Later versions may have more
    /// fields after that.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('-');
        // W3C Trace Context, section 3.2.2: version ff is forbidden.
        let [version] = read_hex(parts.next()?).filter(|version| *version != [0xff])?;
        let trace_id = u128::from_be_bytes(read_hex(parts.next()?)?);
        let parent_id = u64::from_be_bytes(read_hex(parts.next()?)?);
        let [flags] = read_hex(parts.next()?)?;
        // Only version 00 is known to have no more than four fields.
        let ends = version != 0 || parts.next().is_none();
        (trace_id != 0 && parent_id != 0 && ends).then_some(Self {
            trace_id,
            parent_id,
            flags,
        })
    }

    /// Makes a span, which has not begun and has an empty field `trace_id`, part of the trace.
    pub fn continue_in(self, span: &Span) {
        span.record("trace_id", format_args!("{:032x}", self.trace_id));
        #[cfg(feature = "otlp")]
        otlp::continue_in(self, span);
    }
}

/// `N` bytes as lower-case hex digits, and nothing else.
fn read_hex<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let bytes = HEXLOWER.decode(digits.as_bytes()).ok()?;
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traceparent_outside_the_standard_is_refused() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let context = TraceContext::parse(good).unwrap();
        assert_eq!(context.trace_id, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!(
            (context.parent_id, context.flags),
            (0x00f0_67aa_0ba9_02b7, 1)
        );
        assert!(TraceContext::parse(&good.replacen("00", "01", 1)).is_some());
        assert!(TraceContext::parse(&format!("{}-more", good.replacen("00", "cc", 1))).is_some());
        for bad in [
            "",
            "00",
            &good.to_uppercase(),
            &good.replacen("00", "ff", 1),
            &format!("{good}-more"),
            &good[..54],
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473+-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceContext::parse(bad), None, "{bad}");
        }
    }
}
