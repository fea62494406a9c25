// A random organisation, made over HTTPS, and what follows from how it was made.

import assert from 'node:assert/strict';
import { OURS, api, make } from './site.js';

const WORDS = ['Crew', 'B\u00fcro', 'Night Shift', '\u6771\u4eac', "O'Hara's", 'a/b'];

export async function organisation(random) {
	const users = [], teams = [], workspaces = [];
	for (let number = 0; number < 12; number++)
		users.push(await make('User', { userName: `user${number}@example.com`, active: number !== 11 }));
	for (let number = 0; number < 8; number++) {
		const members = [...users, ...teams].filter(() => random.chance(20)).map(({ id }) => ({ value: id }));
		teams.push({ ...await make('Group', { displayName: `${random.pick(WORDS)} ${number}`, members }), held: members.map(({ value }) => value) });
	}
	for (let number = 0; number < 3; number++)
		workspaces.push(await make('Workspace', { displayName: `Works ${number}` }));
	const roles = (await api('GET', '/Roles?count=200')).Resources.filter(({ name }) => /^workspace\/|^assignment\//.test(name));
	for (let count = 0; count < 12; count++)
		await grant(random.pick([...users.slice(0, 8), ...teams]), random.pick(roles).name, random.pick(workspaces));
	const permissions = [...new Set(roles.flatMap((role) => role.permissions ?? []))].sort();
	return { users, teams, workspaces, permissions, membership: (member, target) => membership(teams, member, target) };
}

async function grant(principal, role, workspace) {
	const scope = role.startsWith('workspace/') ? { scope: { value: workspace.id } } : {};
	await api('POST', '/Assignments', { schemas: [`${OURS}Assignment`], principal: { value: principal.id }, role, ...scope }).catch((refused) => {
		assert.match(refused.message, /: 4\d\d /); // the same grant twice, or one that the rules do not allow
	});
}

/** "direct", "nested" or "not_member", from who was put where: `teams` are { id, held: ids }. */
export function membership(teams, member, target) {
	const above = new Set([member]);
	for (let size = 0; size !== above.size;) {
		size = above.size;
		for (const team of teams)
			if (team.held.some((id) => above.has(id)))
				above.add(team.id);
	}
	if (target.held.includes(member))
		return 'direct';
	return target.id !== member && above.has(target.id) ? 'nested' : 'not_member';
}
