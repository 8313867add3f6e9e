//! Filters of tools. A filter only takes away; two of them leave what both leave.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::tool_names::ToolNameList;

/// Which tools within its scopes a caller is offered. The default is all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolFilter {
    /// Only tools that change nothing.
    pub read_only: bool,
    /// Only tools of these toolsets.
    pub toolsets: Option<Arc<BTreeSet<String>>>,
    /// Only tools whose names are on each of these lists.
    pub names: Vec<ToolNameList>,
}

/// What a filter looks at in a tool.
#[derive(Clone, Copy, Debug)]
pub struct FilteredTool<'a> {
    /// The name.
    pub name: &'a str,
    /// The toolset.
    pub toolset: &'a str,
    /// Whether it changes nothing.
    pub is_read_only: bool,
}

impl ToolFilter {
    /// The tools that both offer.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        let toolsets = match (&self.toolsets, &other.toolsets) {
            (Some(own), Some(others)) => Some(Arc::new(&**own & &**others)),
            // A filter without a list admits every toolset, so the list of the other one decides.
            (one, None) | (None, one) => one.clone(),
        };
        let mut names = self.names.clone();
        // Patterns have no common pattern, so both lists are kept, and a name must be on both. A filter that
        // meets itself again, as in each message of a session, does not grow.
        let new = other.names.iter().filter(|list| !self.names.contains(list));
        names.extend(new.cloned());
        Self {
            read_only: self.read_only || other.read_only,
            toolsets,
            names,
        }
    }

    /// Whether a tool is offered.
    #[must_use]
    pub fn includes_tool(&self, tool: FilteredTool<'_>) -> bool {
        let named = |toolsets: &Arc<BTreeSet<String>>| toolsets.contains(tool.toolset);
        (tool.is_read_only || !self.read_only)
            && self.toolsets.as_ref().is_none_or(named)
            && self.names.iter().all(|list| list.includes_name(tool.name))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filter(read_only: bool, toolsets: Option<&[&str]>, names: &[&str]) -> ToolFilter {
        let toolsets = toolsets.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        let list = |pattern: &&str| ToolNameList::from_patterns([*pattern]).unwrap();
        ToolFilter {
            read_only,
            toolsets: toolsets.map(Arc::new),
            names: names.iter().map(list).collect(),
        }
    }

    fn tool<'a>(name: &'a str, toolset: &'a str, is_read_only: bool) -> FilteredTool<'a> {
        FilteredTool {
            name,
            toolset,
            is_read_only,
        }
    }

    #[test]
    fn tool_filters_combine_to_the_narrower_one() {
        let all = filter(false, None, &[]);
        let files = filter(false, Some(&["files", "exec"]), &[]);
        let looks = filter(true, Some(&["files", "desktop"]), &[]);
        assert_eq!(all.intersect(&files), files);
        assert_eq!(files.intersect(&all), files);
        assert_eq!(files.intersect(&looks), filter(true, Some(&["files"]), &[]));
        let none = files.intersect(&filter(false, Some(&["desktop"]), &[]));
        for toolset in ["files", "desktop"] {
            assert!(!none.includes_tool(tool("x", toolset, true)));
        }
        assert!(looks.includes_tool(tool("x", "files", true)));
        assert!(!looks.includes_tool(tool("x", "files", false)));
        assert!(!looks.includes_tool(tool("x", "exec", true)));
        assert!(all.includes_tool(tool("x", "exec", false)));
    }

    #[test]
    fn name_lists_combine_to_the_names_on_both() {
        let gets = filter(false, None, &["get_*"]);
        let files = filter(false, None, &["*_file"]);
        let both = gets.intersect(&files);
        let offers = |name| both.includes_tool(tool(name, "files", true));
        assert!(offers("get_file"));
        assert!(!offers("get_session") && !offers("read_file"));
        assert_eq!(
            both.intersect(&gets),
            both,
            "the same list is not kept twice"
        );
        assert_eq!(gets.intersect(&ToolFilter::default()), gets);
    }

    fn any_filter() -> impl Strategy<Value = ToolFilter> {
        let toolsets = prop::option::of(prop::collection::btree_set("[abc]", 0..3));
        let names = prop::collection::vec("[ab*]{1,3}", 0..3);
        (any::<bool>(), toolsets, names).prop_map(|(read_only, toolsets, names)| ToolFilter {
            read_only,
            toolsets: toolsets.map(Arc::new),
            names: names
                .iter()
                .map(|name| ToolNameList::from_patterns([name.as_str()]).unwrap())
                .collect(),
        })
    }

    proptest! {
        #[test]
        fn intersection_offers_exactly_what_both_offer(
            one in any_filter(), other in any_filter(),
            name in "[ab]{1,4}", toolset in "[abc]", is_read_only in any::<bool>(),
        ) {
            let tool = tool(&name, &toolset, is_read_only);
            let both = one.includes_tool(tool) && other.includes_tool(tool);
            prop_assert_eq!(one.intersect(&other).includes_tool(tool), both);
        }
    }
}
