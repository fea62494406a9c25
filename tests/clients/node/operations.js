// Random operations on an organisation over HTTPS, what it has come to by them, and connections that are cut meanwhile.

import { membership } from './organisation.js';
import { randomness } from './random.js';
import { api, make, patch } from './site.js';

const random = randomness();
const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

export const users = [], teams = [];
export const kept = new Set(); // teams that are not removed
let count = 0;

const drop = (list, one) => list.splice(list.indexOf(one), 1);

const OPERATIONS = [
	async function addUser() {
		users.push(await make('User', { userName: `w${++count}@example.com` }));
	},
	async function addTeam() {
		teams.push({ ...await make('Group', { displayName: `Team ${++count}` }), held: [] });
	},
	async function renameUser() {
		const user = random.pick(users);
		user.userName = `w${++count}@example.com`;
		await patch(`/Users/${user.id}`, { op: 'replace', path: 'userName', value: user.userName });
	},
	async function removeUser() {
		const user = random.pick(users);
		await api('DELETE', `/Users/${user.id}`);
		drop(users, user);
		for (const team of teams)
			team.held = team.held.filter((id) => id !== user.id);
	},
	async function removeTeam() {
		const team = random.pick(teams);
		if (kept.has(team))
			return;
		await api('DELETE', `/Groups/${team.id}`);
		drop(teams, team);
		for (const other of teams)
			other.held = other.held.filter((id) => id !== team.id);
	},
	...Array(6).fill(async function changeMembers() {
		const team = random.pick(teams);
		const some = [...users, ...teams].filter((one) => random.chance(25) && one !== team && (!one.held || membership(teams, team.id, one) === 'not_member'));
		const adding = some.filter(({ id }) => !team.held.includes(id)), removing = some.filter(({ id }) => team.held.includes(id));
		if (adding.length > 0)
			await patch(`/Groups/${team.id}`, { op: 'add', path: 'members', value: adding.map(({ id }) => ({ value: id })) });
		for (const { id } of removing)
			await patch(`/Groups/${team.id}`, { op: 'remove', path: `members[value eq "${id}"]` });
		team.held = [...team.held.filter((id) => !removing.some((one) => one.id === id)), ...adding.map(({ id }) => id)];
	}),
];

export async function operate(times) {
	for (let done = 0; done < times; done++)
		await (users.length < 4 ? OPERATIONS[0] : teams.length < 3 ? OPERATIONS[1] : random.pick(OPERATIONS))();
}

/** Cuts connections now and then until stop() is called. */
export function cutting(t, way) {
	let on = true;
	t.after(() => { on = false; });
	const done = (async () => {
		for (; on; await wait(30 + random.below(300)))
			way.cut();
	})();
	return async () => {
		on = false;
		await done;
	};
}

/** Everybody in every group, nested ones too, as "group user". */
export const effective = () => teams.flatMap((team) => users.filter((user) => membership(teams, user.id, team) !== 'not_member').map((user) => `${team.id} ${user.id}`)).sort();
