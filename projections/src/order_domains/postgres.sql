SELECT orders.key AS order_id,
       domain.key COLLATE "C" AS domain,
       orders.user_id,
       orders.service_provider,
       CASE WHEN domain.value ? 'assigned' THEN 'assigned' WHEN domain.value #>> '{answer,1}' = 'failed' THEN 'failed' ELSE 'pending' END AS status,
       domain.value #>> '{subscriptionId,1}' AS subscription_id,
       coalesce(jsonb_array_length(domain.value -> 'mailboxes'), 0)::bigint AS mailbox_count,
       CASE WHEN NOT domain.value ? 'assigned' AND domain.value #>> '{answer,1}' = 'failed' THEN domain.value #>> '{reason,1}' END AS reason,
       orders.first_recorded_at,
       orders.last_recorded_at,
       orders.first_position
FROM {table} AS orders CROSS JOIN LATERAL jsonb_each(orders.document::jsonb -> 'domains') AS domain
