SELECT orders.key AS order_id,
       domain.key AS domain,
       orders.user_id,
       orders.service_provider,
       CASE WHEN json_type(domain.value, '$.assigned') IS NOT NULL THEN 'assigned' WHEN json_extract(domain.value, '$.answer[1]') = 'failed' THEN 'failed' ELSE 'pending' END AS status,
       json_extract(domain.value, '$.subscriptionId[1]') AS subscription_id,
       coalesce(json_array_length(domain.value, '$.mailboxes'), 0) AS mailbox_count,
       CASE WHEN json_type(domain.value, '$.assigned') IS NULL AND json_extract(domain.value, '$.answer[1]') = 'failed' THEN json_extract(domain.value, '$.reason[1]') END AS reason,
       orders.first_recorded_at,
       orders.last_recorded_at,
       orders.first_position
FROM {table} AS orders, json_each(orders.document, '$.domains') AS domain
