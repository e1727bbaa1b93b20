package demo

// step is one thing that the demo shows: the same call, made by one agent or by several.
type step struct {
	words string // what is shown and why it matters
	tool  string
	args  string // as they are sent
	as    []turn
	show  []string // members of an answer that are worth the reader's while; those of a refusal are always the same
}

// turn is who makes the call, and what must come back.
type turn struct {
	who  string
	want want
}

// session is the story. Its numbers are those of sql/rows.sql: ticket 600 is ben's and of team billing, ticket 1007 is
// somebody else's known issue, 400 tickets are solved.
func session() []step {
	return []step{
		{
			words: "What an agent may call. An operator can leave tools out, as for ben.",
			tool:  listTools,
			as: []turn{
				{"ana", says("admin_sql")},
				{"ben", all(says("query_table"), keepsQuiet("admin_"))},
			},
			show: []string{"tools", "bytes", "names"},
		},
		{
			words: "Who is calling follows from the server's token; no argument can change it.",
			tool:  "whoami", args: `{}`,
			as: []turn{
				{"nobody", says(`"system_role":"anon"`)},
				{"ana", says(`"system_role":"authenticated"`, "ana@example.com")},
				{"ben", says(`"system_role":"authenticated"`, "ben@example.com")},
			},
			show: []string{"user", "system_role"},
		},
		{
			words: "One question, three answers: nobody sees known issues, ana also her team's tickets, ben also his own. " +
				"PostgreSQL decides, by policies, not the agent.",
			tool: "query_table",
			args: `{"table":"tickets", "select":"id,team,subject", "order":"id.desc", "limit":2, "count":true}`,
			as: []turn{
				{"nobody", counts(`known_issue`)},
				{"ana", counts(`known_issue or team = 'billing'`)},
				{"ben", counts(`known_issue or customer_id = (select id from members where email like 'ben@%')`)},
			},
			show: []string{"count", "rows"},
		},
		{
			words: "Within one ticket, too: the team's internal note is not for the customer.",
			tool:  "query_table",
			args: `{"table":"messages", "select":"internal,body", ` +
				`"filters":[{"column":"ticket_id", "op":"eq", "value":600}], "order":"id.desc", "limit":2}`,
			as: []turn{
				{"ana", says(`"internal":true`)},
				{"ben", all(says(`"internal":false`), keepsQuiet(`"internal":true`))},
			},
			show: []string{"rows"},
		},
		{
			words: "How an agent finds its way: the tables and columns that this caller has.",
			tool:  "describe_tables", args: `{}`,
			as:   []turn{{"ana", all(says(`"tickets"`), keepsQuiet("audit_log"))}},
			show: []string{"role", "tables"},
		},
		{
			words: "A misspelt column is answered with the right ones, for the next try.",
			tool:  "query_table", args: `{"table":"tickets", "select":"id,subjet"}`,
			as: []turn{{"ana", refuses("42703", `"did_you_mean":"subject"`, "known_issue")}},
		},
		{
			words: "A write that policies allow. The column's default takes its author from the token.",
			tool:  "insert_rows",
			args: `{"table":"messages", "rows":[{"ticket_id":600, "body":"Refunded today."}], ` +
				`"select":"id,author_id"}`,
			as: []turn{{"ana", all(touches(1), holds(`exists (select from messages m join members a on a.id = m.author_id `+
				`where m.body = 'Refunded today.' and a.email = 'ana@example.com')`))}},
			show: []string{"affected", "rows"},
		},
		{
			words: "One that they do not: ben reads this known issue, but it is not his to answer in. The refusal says why, " +
				"and what to do.",
			tool: "insert_rows",
			args: `{"table":"messages", "rows":[{"ticket_id":1007, "body":"Me too!"}]}`,
			as:   []turn{{"ben", refuses("42501", "row-level security", "whoami")}},
		},
		{
			words: "So ben's agent opens a ticket of his own instead, by mistake for team web.",
			tool:  "insert_rows",
			args: `{"table":"tickets", "rows":[{"team":"web", "subject":"Charged twice"}], ` +
				`"select":"id,team,status,subject"}`,
			as:   []turn{{"ben", all(touches(1), says(`"open"`))}},
			show: []string{"affected", "rows"},
		},
		{
			words: "Ana would take it over, but a row that is not hers is as good as none.",
			tool:  "update_rows",
			args: `{"table":"tickets", "set":{"team":"billing"}, ` +
				`"filters":[{"column":"subject", "op":"eq", "value":"Charged twice"}]}`,
			as: []turn{{"ana", all(touches(0), says("row level security"), holds(`exists (select from tickets `+
				`where subject = 'Charged twice' and team = 'web')`))}},
			show: []string{"affected", "notice"},
		},
		{
			words: "The operator's agent may: admin tools bypass policies. They have names of their own, so that a client can " +
				"ask the person first.",
			tool: "admin_update_rows",
			args: `{"table":"tickets", "set":{"team":"billing"}, ` +
				`"filters":[{"column":"subject", "op":"eq", "value":"Charged twice"}], "select":"id,team,subject"}`,
			as:   []turn{{"ana", all(touches(1), says("billing"))}},
			show: []string{"affected", "rows"},
		},
		{
			words: "Now it is her team's, and she sees it.",
			tool:  "query_table",
			args: `{"table":"tickets", "select":"id,team,subject", ` +
				`"filters":[{"column":"subject", "op":"eq", "value":"Charged twice"}]}`,
			as:   []turn{{"ana", says("Charged twice")}},
			show: []string{"rows"},
		},
		{
			words: "A table that nobody protected is not open but dark: without row level security, callers cannot reach it.",
			tool:  "query_table", args: `{"table":"audit_log", "limit":2}`,
			as: []turn{{"ana", refuses("42501")}},
		},
		{
			words: "The admin reads it, and everything else.",
			tool:  "admin_query_table", args: `{"table":"audit_log", "select":"actor,action", "order":"id.desc", "limit":2}`,
			as:   []turn{{"ana", says("opened")}},
			show: []string{"rows"},
		},
		{
			words: "Raw SQL for what no filter can say; it only reads unless told otherwise.",
			tool:  "admin_sql",
			args: `{"sql":"select team, count(*) as solved from tickets where status = 'solved' ` +
				`group by 1 order by 1"}`,
			as:   []turn{{"ana", says(`"solved"`)}},
			show: []string{"rows"},
		},
		{
			words: "PostgreSQL holds it to that, however a write is dressed up.",
			tool:  "admin_sql",
			args:  `{"sql":"with gone as (delete from audit_log returning 1) select count(*) from gone"}`,
			as:    []turn{{"ana", all(refuses("FORBIDDEN", "read_only"), holds(`1200 = (select count(*) from audit_log)`))}},
		},
		{
			words: "A slip that would touch too many rows is undone, and says how many.",
			tool:  "admin_update_rows",
			args: `{"table":"tickets", "set":{"status":"closed"}, ` +
				`"filters":[{"column":"status", "op":"eq", "value":"solved"}]}`,
			as: []turn{{"ana", all(refuses("CONFIRMATION_REQUIRED", "400 rows", "confirm_token"),
				holds(`400 = (select count(*) from tickets where status = 'solved')`))}},
		},
		{
			words: "Beyond rows: a file for the desk's readers, at a URL that always serves these bytes.",
			tool:  "put_asset",
			args:  `{"key":"help/refunds.md", "content":"# Refunds\nWithin five days.", "content_type":"text/markdown"}`,
			as:    []turn{{"ana", says("help/refunds.md", "immutable_url")}},
			show:  []string{"key", "size_bytes", "immutable_url"},
		},
		{
			words: "The project's mailbox, which an operator may limit to some recipients.",
			tool:  "create_mailbox", args: `{"slug":"help-desk"}`,
			as:   []turn{{"ana", says("help-desk@")}},
			show: []string{"address"},
		},
		{
			words: "Mail is composed and queued as for real. Without a relay it is kept, and the answer says so.",
			tool:  "send_email",
			args: `{"to":"ben@example.com", "template":"notification", ` +
				`"variables":{"project_name":"Help desk", "message":"Your refund is on its way."}}`,
			as:   []turn{{"ana", says(`"status":"kept"`)}},
			show: []string{"status", "to"},
		},
	}
}
