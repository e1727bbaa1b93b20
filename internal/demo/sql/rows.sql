-- The same rows every time, by counting: no chance, no clock. ana, the lead of billing, and ben, a customer, are there
-- already.

insert into members (id, email, name, role, team)
select md5(email)::uuid, email, initcap(split_part(email, '@', 1)), role, team
from (
  select format('%s%s@example.com', team, n), case n when 1 then 'lead' else 'agent' end, team
  from unnest(array['billing', 'web', 'mobile']) team, generate_series(1, 5) n
  where (team, n) <> ('billing', 1)
  union all
  select format('customer%s@example.com', n), 'customer', null from generate_series(1, 149) n
) m (email, role, team);

with customers as (
  select id, row_number() over (order by email) - 1 as n from members where role = 'customer'
)
insert into tickets (customer_id, team, subject, status, known_issue, created_at)
select c.id, t.team, t.subjects[1 + i % 5],
       (array['solved', 'open', 'closed', 'pending', 'solved', 'closed'])[1 + i % 6], i % 100 = 7,
       timestamptz '2026-08-01 08:00Z' + i * interval '2 hours'
from generate_series(1, 1200) i
join customers c on c.n = i % 150
join (values
  (0, 'billing', array['Invoice shows our old address', 'Refund has not arrived', 'Card was declined twice',
                       'VAT number is missing', 'Cannot change the plan']),
  (1, 'web',     array['Login loops in Safari', 'Export stops at 1000 rows', 'Search finds no umlauts',
                       'Page stays blank after the update', 'Cannot upload a logo']),
  (2, 'mobile',  array['App crashes at start', 'No push messages since Monday', 'Photos are rotated',
                       'Battery drains over night', 'Cannot log in by fingerprint'])
) t (n, team, subjects) on t.n = i / 4 % 3
order by i;

with agents as (
  select id, team, row_number() over (partition by team order by email) - 1 as n from members where team is not null
)
insert into messages (ticket_id, author_id, body, internal, created_at)
select t.id, case when k % 2 = 1 then t.customer_id else a.id end,
       case k when 1 then t.subject || ': can you help?'
              when 2 then 'Thank you, we are looking into it.'
              when 3 then 'It is still the same today.'
              else 'Same cause as in ticket ' || greatest(1, t.id - 7) || ', wait for the fix.' end,
       k = 4, t.created_at + k * interval '20 minutes'
from tickets t
join agents a on a.team = t.team and a.n = t.id % 5
cross join generate_series(1, 4) k
where k <= 1 + t.id % 4 or t.id % 150 = 0
order by t.id, k;

insert into audit_log (ticket_id, actor, action, at)
select t.id, m.email, 'opened ' || t.team || ' ticket', t.created_at
from tickets t join members m on m.id = t.customer_id
order by t.id;
